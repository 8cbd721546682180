/* The short tuning by which the first run on a device begins. */
#include "tune/tune.h"

#include <stdarg.h>
#include <unistd.h>

const bcl_tune_layer bcl_tune_usual_layers[BCL_TUNE_USUAL_LAYERS] = {{384, 1536}, {768, 3072}};
const int bcl_tune_quick_lengths[BCL_TUNE_LENGTHS] = {120, 480};
static const double FIRST_USE_S = 3, FIRST_USE_GPU_S = 20; /* whose compilers take longer */

/* Whether there is a place to store a tuning, so that not every run tunes again. */
static bool can_store(const bcl_device_info *about, bcl_precision precision) {
    char *path = NULL, *end;
    bool can = false;
    if (bcl_gemm_choice_path(&path, about, precision) || !path || !(end = strrchr(path, '/')))
        goto out;
    *end = 0;
    can = !bcl_directory_create(path) && !access(path, W_OK);
out:
    free(path);
    return can;
}

__attribute__((format(printf, 3, 4))) static void say(void (*told)(void *context, const char *line),
                                                      void *context, const char *format, ...) {
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (told)
        told(context, line);
}

static void tune_precision(const bcl_device_info *about, bcl_precision precision,
                           void (*told)(void *context, const char *line), void *context) {
    bcl_gemm_choice stored;
    bcl_tune_result result = {0};
    const bcl_gemm_stored found = bcl_gemm_choice_load(&stored, about, precision);
    if (found == BCL_GEMM_STORED || bcl_device_interpreted(about) || !can_store(about, precision))
        return;
    if (found == BCL_GEMM_DAMAGED)
        say(told, context, "%s; tuning again", stored.reason);
    const double seconds = about->gpu ? FIRST_USE_GPU_S : FIRST_USE_S;
    say(told, context,
        "first use of %s in %s: tuning matrix products (at most %.0f s; bertcl tune does it "
        "thoroughly)",
        about->id, bcl_precision_name(precision), seconds);
    const bcl_tune_options options = {.precision = precision,
                                      .layers = bcl_tune_usual_layers,
                                      .layer_count = 1,
                                      .lengths = bcl_tune_quick_lengths,
                                      .length_count = BCL_TUNE_LENGTHS,
                                      .quick = true,
                                      .seconds = seconds};
    /* What cannot be tuned or stored is not needed either: the device's default will do. */
    if (!bcl_tune(&result, about, &options))
        (void)bcl_gemm_choice_save(NULL, &result.choice, about, precision,
                                   bcl_tune_result_json(&result));
    bcl_tune_result_free(&result);
}

void bcl_tune_first_use(const char *device, bcl_precision precision,
                        void (*told)(void *context, const char *line), void *context) {
    bcl_device_info about;
    if (!bcl_gemm_tuning_on() || bcl_device_find(&about, device) ||
        !bcl_precision_offered(&about, precision))
        return; /* opening the device will say what is wrong */
    /* fp32 first: the others have to beat its best */
    tune_precision(&about, BCL_PRECISION_FP32, told, context);
    if (precision != BCL_PRECISION_FP32)
        tune_precision(&about, precision, told, context);
}
