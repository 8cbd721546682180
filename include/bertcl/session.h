/* A session: one model, ready on one device. What training, evaluation and tagging begin with. */
#ifndef BERTCL_SESSION_H
#define BERTCL_SESSION_H

#include <bertcl/status.h>
#include <bertcl/tokenizer.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bcl_session bcl_session;

/* What the caller is told while a session opens. */
typedef enum bcl_session_event_kind {
    BCL_SESSION_DOWNLOAD,   /* text: the file's name; done, size */
    BCL_SESSION_DOWNLOADED, /* no more of these, whether all went well or not; text: NULL */
    BCL_SESSION_NOTE,   /* what the user should see: a setting that is likely wrong, or which model
                         * of a run was taken */
    BCL_SESSION_TUNING, /* matrix products are timed: a few seconds follow; or why once more */
    BCL_SESSION_PRECISION,    /* why the session computes in fp32, though another was wanted */
    BCL_SESSION_DEVICE,       /* device, matrix products and precision; told when all is open */
    BCL_SESSION_NEW_TENSOR,   /* text: a tensor's name; it was not in the model and is random */
    BCL_SESSION_UNUSED_TENSOR /* text: a tensor's name; it is in the model and of no use here */
} bcl_session_event_kind;

typedef struct bcl_session_event {
    bcl_session_event_kind kind;
    const char *text;    /* a line without a newline, or the name that the kind tells */
    uint64_t done, size; /* bytes; size 0: not known */
} bcl_session_event;

/* Called from within the opening call, in its thread. The event is valid during the call. */
typedef void bcl_session_listener(void *context, const bcl_session_event *event);

typedef struct bcl_session_options { /* all zero but the model: the defaults */
    const char *model;               /* a Hugging Face folder, or ORG/NAME[@REVISION] of the hub */
    const char *device;              /* an id, see bertcl devices; NULL: the first GPU, else CPU */
    const char *gemm;                /* the provider of matrix products; NULL: the device's best */
    const char *precision; /* of matrix products: "fp32" (NULL), or "bf16", "fp16" or "tf32" where
                            * the device computes it faster; see bcl_session_why_fp32. The last two
                            * are for GPUs */
    const bcl_session *beside; /* an open session whose device this one uses too, so that `device`
                                * is not looked at; NULL: none. It may be freed before this one */
    bool tune;    /* time the device's matrix products for a few seconds if that was never done, in
                   * child processes; not done where gemm is given or BERTCL_TUNE is off */
    bool profile; /* time every kernel */
    bcl_session_listener *listener; /* NULL: nobody is told */
    void *context;                  /* the listener's */
} bcl_session_options;

/* Finds the model, downloads it if need be, opens the device and loads the weights. Blocking. The
 * first device of a process must be its first OpenCL call; later ones must be of the same driver.
 * The options are copied as far as they are needed; their texts need not outlive the call.
 * Errors: IO (no such model), FORMAT (damaged files), UNSUPPORTED (no BERT token classifier, or no
 * such matrix product), NO_DEVICE, DEVICE, DEVICE_MEMORY, MEMORY, ARGUMENT (unknown precision, or
 * one that is not for such a device). */
BCL_EXPORT bcl_status bcl_session_open(bcl_session **out, const bcl_session_options *options);
/* What was made from the session must be freed before. Takes NULL. */
BCL_EXPORT void bcl_session_free(bcl_session *session);

/* All texts belong to the session. */
BCL_EXPORT const char *bcl_session_folder(const bcl_session *session);      /* the model's files */
BCL_EXPORT const char *bcl_session_device(const bcl_session *session);      /* "pocl:0" */
BCL_EXPORT const char *bcl_session_device_name(const bcl_session *session); /* the driver's */
BCL_EXPORT const char *bcl_session_gemm(const bcl_session *session);
BCL_EXPORT const char *bcl_session_precision(const bcl_session *session); /* that it computes in */
/* A sentence, if "bf16" was wanted and the device does not compute it faster; else "". */
BCL_EXPORT const char *bcl_session_why_fp32(const bcl_session *session);
/* The model's labels, by id. */
BCL_EXPORT size_t bcl_session_label_count(const bcl_session *session);
BCL_EXPORT const char *bcl_session_label(const bcl_session *session, size_t id);
/* Pieces that the model has positions for, [CLS] and [SEP] included. */
BCL_EXPORT size_t bcl_session_positions(const bcl_session *session);
BCL_EXPORT const bcl_tokenizer *bcl_session_tokenizer(const bcl_session *session);

#ifdef __cplusplus
}
#endif
#endif
