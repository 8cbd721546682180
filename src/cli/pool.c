/* --devices of the commands that compute without gradients. */
#include "cli/pool.h"

#include "session/session.h"

bcl_status bcl_cli_pool_open(bcl_pool **out, const bcl_cli_pool *o, bcl_session *session) {
    bcl_status status = BCL_OK;
    bcl_device_info *devices = NULL;
    bcl_rank_place *places = NULL;
    size_t count;
    BCL_TRY(bcl_dist_devices(&devices, &count, o->devices));
    BCL_NEW(places, count);
    bcl_dist_place(places, devices, count);
    BCL_TRY(bcl_dist_take_cores(places, count, o->cores.items, o->cores.count));
    BCL_TRY(bcl_pool_open(out, session, places, count));
out:
    free(places);
    free(devices);
    return status;
}
