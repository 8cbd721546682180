/* Inside model/: PyTorch's files of tensors (pytorch_model.bin), read without executing anything.
 * A file is a zip archive of stored entries: PREFIX/data.pkl, a pickle that describes the tensors,
 * and PREFIX/data/KEY, their bytes. What is not a table of tensors is refused. */
#ifndef BCL_MODEL_TORCH_FILE_H
#define BCL_MODEL_TORCH_FILE_H

#include "model/files.h"

/* ---- zip.c ---- */

typedef struct bcl_zip_entry {
    const char *name;
    uint64_t header; /* offset of the local header */
    const unsigned char *data;
    size_t size;  /* bytes */
    uint32_t crc; /* CRC-32 of them; torch.save may leave it out as 0 */
} bcl_zip_entry;

typedef struct bcl_zip {
    bcl_zip_entry *entries; /* (count), by name */
    size_t count, capacity;
    char *names;
} bcl_zip;

/* Reads the directory of an archive of stored entries; they must lie apart and inside the `size`
 * bytes. Entries point into `data`. `path` is for messages. What it returns must be freed even
 * after an error. */
bcl_status bcl_zip_read(bcl_zip *out, const unsigned char *data, size_t size, const char *path);
/* Compares every entry with its checksum, where it has one. */
bcl_status bcl_zip_check(const bcl_zip *zip, const char *path);
/* NULL if there is none. */
const bcl_zip_entry *bcl_zip_find(const bcl_zip *zip, const char *name);
void bcl_zip_free(bcl_zip *zip);

/* ---- pickle.c ---- */

enum { BCL_PICKLE_MAX = 16 << 20 }; /* bytes; a BERT's has some 50,000 */

typedef struct bcl_pickled_tensor {
    const char *name;
    const char *storage; /* the KEY of its bytes */
    bcl_dtype dtype;
    uint64_t storage_elements;
    uint64_t offset; /* first element */
    int rank;
    int64_t shape[BCL_TENSOR_RANK_MAX];
    int64_t stride[BCL_TENSOR_RANK_MAX]; /* elements; every element lies inside the storage */
} bcl_pickled_tensor;

typedef struct bcl_pickle {
    bcl_pickled_tensor *tensors; /* (count), in the file's order, names distinct */
    size_t count, capacity;
    char *texts; /* names and keys */
} bcl_pickle;

/* Reads a pickled table of tensors by the few opcodes and names that torch.save needs for one; any
 * other is refused, and nothing is called or imported. `path` is for messages. What it returns must
 * be freed even after an error. */
bcl_status bcl_pickle_read(bcl_pickle *out, const unsigned char *data, size_t size,
                           const char *path);
void bcl_pickle_free(bcl_pickle *pickle);

/* ---- torch_file.c ---- */

typedef struct bcl_torch_file bcl_torch_file;

/* Opens and checks a file: UNSUPPORTED for what is no table of tensors, FORMAT for damage. */
bcl_status bcl_torch_file_open(bcl_torch_file **out, const char *path);
/* The same for bytes in memory, which must outlive the result. */
bcl_status bcl_torch_file_open_memory(bcl_torch_file **out, const void *data, size_t size,
                                      const char *path);
void bcl_torch_file_close(bcl_torch_file *file);
size_t bcl_torch_file_count(const bcl_torch_file *file);
/* In the order of their names; row-major, as a safetensors file's. */
const bcl_tensor *bcl_torch_file_at(const bcl_torch_file *file, size_t index);
/* NULL if there is none; O(log n). */
const bcl_tensor *bcl_torch_file_find(const bcl_torch_file *file, const char *name);

#endif
