/* A product that was left in parts (rest_count, rows, C), for a kernel that reads it next; behind
 * common.h. The parts are added in their order. */
#ifdef REST
#define REST_PARAMETERS           , __global const float *restrict rest, int rest_count
#define REST_PARAMETERS_WITH_BIAS REST_PARAMETERS, __global const float *restrict bias
static inline fv rest_sum(__global const float *part, size_t distance, int count, int n) {
    fv sum = 0;
    for (int i = 0; i < count; i++)
        sum += load(part + i * distance, n);
    return sum;
}
#else
#define REST_PARAMETERS
#define REST_PARAMETERS_WITH_BIAS
#endif
