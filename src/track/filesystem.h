/* Which file systems are shared over a network: SQLite's write-ahead log needs memory that all
 * processes share, and file locks that work, and these promise neither. */
#ifndef BCL_FILESYSTEM_H
#define BCL_FILESYSTEM_H

/* statfs's f_type; the name, or NULL for a local one. */
const char *bcl_network_file_system(unsigned long type);

#endif
