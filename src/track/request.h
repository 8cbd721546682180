/* Requests to a tracking server: JSON in and out, with time limits, so that a server that hangs
 * holds up nothing for long. */
#ifndef BCL_REQUEST_H
#define BCL_REQUEST_H

#include "track/store.h"

#include <stdatomic.h>

typedef struct bcl_server {
    char *uri;            /* http:// or https://, without a '/' at the end */
    char *token;          /* Bearer; NULL: none */
    char *user;           /* "name:password" of basic authentication; NULL: none */
    void *curl;           /* kept for its connection */
    _Atomic double until; /* no request goes on beyond this time (bcl_seconds); 0: no limit */
    bool insecure;        /* certificates are not checked */
} bcl_server;

/* From MLFLOW_TRACKING_URI, _TOKEN, _USERNAME, _PASSWORD and _INSECURE_TLS. ARGUMENT if the URI is
 * absent or no http address. */
bcl_status bcl_server_open(bcl_server *server);
void bcl_server_close(bcl_server *server);
/* POST where body is given, else GET. *answer: the JSON, may be NULL if nobody wants it. *code: the
 * HTTP status; an error of 400 and more is BCL_ERROR_IO with the server's own words. */
bcl_status bcl_server_call(cJSON **answer, long *code, bcl_server *server, const char *path,
                           const cJSON *body);
/* PUT of a file. */
bcl_status bcl_server_upload(bcl_server *server, const char *path, const char *file);
/* text as a part of an address, to free(); '/' stays. */
bcl_status bcl_server_escape(char **out, bcl_server *server, const char *text);

#endif
