/* --model DIR|ORG/NAME[@REVISION]: the folder, with a bar while it is downloaded. */
#include "cli/cli.h"

#include <bertcl/hub.h>

#include <unistd.h>

typedef struct bar {
    char file[256];
    double drawn; /* s */
} bar;

static void draw(void *context, const char *file, uint64_t done, uint64_t size) {
    bar *b = context;
    const double now = bcl_seconds();
    const bool other = strcmp(b->file, file) != 0;
    if (!other && now - b->drawn < 0.1 && (!size || done < size))
        return;
    if (other && b->file[0])
        fputc('\n', stderr);
    b->drawn = now;
    snprintf(b->file, sizeof b->file, "%s", file);
    if (size)
        fprintf(stderr, "\r%-26s %3.0f %%  %.1f of %.1f MB\033[K", file,
                100 * (double)done / (double)size, (double)done / 1e6, (double)size / 1e6);
    else
        fprintf(stderr, "\r%-26s %.1f MB\033[K", file, (double)done / 1e6);
}

bcl_status bcl_cli_model(char **folder, const char *model, bool quiet) {
    bar b = {0};
    const bool shown = !quiet && isatty(STDERR_FILENO);
    bcl_status status = bcl_hub_find(folder, model, shown ? draw : NULL, &b);
    if (b.file[0])
        fputc('\n', stderr);
    return status;
}
