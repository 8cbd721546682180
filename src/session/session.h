/* A session's insides, for the folders above, and its opening in steps, for who has something to
 * decide between them. Knows nothing of data. */
#ifndef BCL_SESSION_H
#define BCL_SESSION_H

#include "model/model.h"

#include <bertcl/session.h>

/* What --precision takes, and its help: the same in every command. */
#define BCL_SESSION_PRECISIONS "fp32|bf16|fp16|tf32"
#define BCL_SESSION_PRECISION_HELP                                                                 \
    "of matrix products: fp32 (default), or operands in bf16, fp16 or tf32 with fp32 sums where "  \
    "the device computes that faster (it says so if not); fp16 and tf32 are for GPUs; --gemm "     \
    "tile-bf16 forces bf16 on a CPU"

/* A device and the sessions that use it. */
typedef struct bcl_session_device_use bcl_session_device_use;

struct bcl_session {
    char *folder;
    bcl_config config; /* its labels may be replaced before bcl_session_load */
    bcl_tokenizer *tokenizer;
    bcl_device *device;              /* NULL until bcl_session_open_device */
    bcl_model *model;                /* NULL until bcl_session_load */
    const struct bcl_remote *remote; /* what computes in its place, see model/pipeline.h: then
                                      * device and model stay NULL. Not the session's; NULL: none */
    char *device_id, *gemm;          /* as asked for; may be NULL */
    bcl_precision precision;         /* wanted */
    char why_fp32[BCL_GEMM_WHY];
    bool tune, profile, downloaded;
    bcl_session_device_use *use;
    bcl_session_listener *listener;
    void *context;
};

/* The first step of bcl_session_open: folder, configuration and tokenizer. Makes no OpenCL call. */
bcl_status bcl_session_prepare(bcl_session **out, const bcl_session_options *options);
/* The second: tunes at first use and opens the device. */
bcl_status bcl_session_open_device(bcl_session *session);
typedef enum bcl_session_purpose {
    BCL_SESSION_FOR_INFERENCE, /* the weights are packed, see bcl_model_pack */
    BCL_SESSION_FOR_TRAINING,  /* a classifier that is missing or of another size is drawn anew */
    BCL_SESSION_FOR_RESUMING   /* all weights must be there */
} bcl_session_purpose;
/* The last: loads the weights, see bcl_model_load. */
bcl_status bcl_session_load(bcl_session *session, bcl_session_purpose purpose, uint64_t seed);
/* Lets another listener, or none, hear what comes. */
void bcl_session_listen(bcl_session *session, bcl_session_listener *listener, void *context);

#endif
