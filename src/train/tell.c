/* What a run tells its listener. */
#include "train/run.h"

#include <stdarg.h>

bool bcl_run_leads(const bcl_run *run) {
    return !run->kept.options.group || run->kept.options.group->rank == 0;
}

void bcl_run_tell(const bcl_run *run, const bcl_run_event *event) {
    if (run->kept.options.listener)
        run->kept.options.listener(run->kept.options.context, event);
}

void bcl_run_say(const bcl_run *run, const char *format, ...) {
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    bcl_run_tell(run, &(bcl_run_event){.kind = BCL_RUN_MESSAGE, .text = text});
}
