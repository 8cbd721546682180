/* What opening a model tells: lines, and a bar while its files are downloaded. */
#include "cli/cli.h"
#include "cli/terminal.h"

#include <bertcl/hub.h>
#include <bertcl/session.h>

static void draw(bcl_cli_session *c, const char *file, uint64_t done, uint64_t size) {
    const double now = bcl_seconds();
    const bool other = strcmp(c->file, file) != 0;
    if (c->quiet || !bcl_terminal_is(stderr))
        return;
    if (!other && now - c->drawn < 0.1 && (!size || done < size))
        return;
    if (other && c->file[0])
        fputc('\n', stderr);
    c->drawn = now;
    snprintf(c->file, sizeof c->file, "%s", file);
    if (size)
        bcl_terminal_rewrite(stderr, "%-26s %3.0f %%  %.1f of %.1f MB", file,
                             100 * (double)done / (double)size, (double)done / 1e6,
                             (double)size / 1e6);
    else
        bcl_terminal_rewrite(stderr, "%-26s %.1f MB", file, (double)done / 1e6);
}

static void end_bar(bcl_cli_session *c) {
    if (c->file[0])
        fputc('\n', stderr);
    c->file[0] = 0;
}

void bcl_cli_session_told(void *context, const bcl_session_event *e) {
    bcl_cli_session *c = context;
    char text[1024]; /* names of tensors and files come from anywhere */
    bcl_printable(text, sizeof text, e->text ? e->text : "");
    switch (e->kind) {
    case BCL_SESSION_DOWNLOAD:
        draw(c, e->text, e->done, e->size);
        break;
    case BCL_SESSION_DOWNLOADED:
        end_bar(c);
        break;
    case BCL_SESSION_NOTE:
    case BCL_SESSION_TUNING:
    case BCL_SESSION_PRECISION:
        if (!c->quiet)
            fprintf(stderr, "bertcl: %s\n", text);
        break;
    case BCL_SESSION_DEVICE:
        if (!c->quiet && c->tell_device)
            fprintf(stderr, "device: %s\n", text);
        break;
    case BCL_SESSION_NEW_TENSOR:
        if (!c->quiet)
            fprintf(stderr, "model: %s is new\n", text);
        break;
    case BCL_SESSION_UNUSED_TENSOR:
        if (!c->quiet && c->tell_unused)
            fprintf(stderr, "model: %s is not used\n", text);
        break;
    }
}

static void on_download(void *context, const char *file, uint64_t done, uint64_t size) {
    draw(context, file, done, size);
}

bcl_status bcl_cli_model(char **folder, const char *model, bool quiet) {
    bcl_cli_session c = {.quiet = quiet};
    char run[1024], best[1024];
    bcl_status status = bcl_hub_find(folder, model, on_download, &c);
    end_bar(&c);
    if (!status && !quiet && bcl_path_is_directory(model) && strcmp(model, *folder))
        fprintf(stderr, "bertcl: %s is a run: its model is %s\n",
                bcl_printable(run, sizeof run, model), bcl_printable(best, sizeof best, *folder));
    return status;
}
