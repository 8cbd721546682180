/* Status codes and the message that goes with them. Every function that can fail returns one.
 *
 * What holds for every function of the library that does not say otherwise:
 *   - it blocks until its work is done;
 *   - what a _create, _open, _load or _read gives is the caller's, to end with the _free or _close
 *     of its type, which takes NULL and, after a failure, what the failed call left; other pointers
 *     that come back belong to the object that they were asked of, and live as long;
 *   - char **out is a text to free(), struct cJSON **out an object for cJSON_Delete;
 *   - arguments are read during the call only, and texts are UTF-8 that ends in a NUL;
 *   - an object is one thread's at a time; different objects are free of each other;
 *   - beside the errors that are named, BCL_ERROR_MEMORY can come back, and what was to be made or
 *     written is then absent, never half there;
 *   - it neither prints nor ends the process. */
#ifndef BERTCL_STATUS_H
#define BERTCL_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BCL_EXPORT __attribute__((visibility("default")))
#else
#define BCL_EXPORT
#endif

typedef enum bcl_status {
    BCL_OK = 0,
    BCL_ERROR_ARGUMENT = -1,      /* the caller asked for something that makes no sense */
    BCL_ERROR_IO = -2,            /* the operating system refused: missing file, full disk, ... */
    BCL_ERROR_FORMAT = -3,        /* a file was read and is not what it should be */
    BCL_ERROR_UNSUPPORTED = -4,   /* well-formed, but nothing that bertcl computes */
    BCL_ERROR_MEMORY = -5,        /* out of host memory */
    BCL_ERROR_NO_DEVICE = -6,     /* no OpenCL driver or no such device */
    BCL_ERROR_DEVICE = -7,        /* an OpenCL call failed, a kernel did not compile, ... */
    BCL_ERROR_DEVICE_MEMORY = -8, /* out of device memory */
    BCL_ERROR_EXISTS = -9,        /* would overwrite something */
    BCL_ERROR_INTERRUPTED = -10   /* stopped by a signal, after saving */
} bcl_status;

/* The message of the last error of this thread: one line without a newline, "" if there was none.
 * Owned by the library; valid until the next error of the thread. */
BCL_EXPORT const char *bcl_message(void);

#ifdef __cplusplus
}
#endif
#endif
