/* libFuzzer target (-DBERTCL_FUZZ=ON with clang): any bytes as a safetensors file. */
#include "model/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static float floats[1024];
    bcl_safetensors *st = NULL;
    if (bcl_safetensors_open_memory(&st, data, size, "fuzz") == BCL_OK)
        for (size_t i = 0; i < bcl_safetensors_count(st); i++) {
            const bcl_tensor *t = bcl_safetensors_at(st, i);
            const uint8_t *p = t->data;
            if (p < data || t->bytes > (size_t)(data + size - p) ||
                bcl_safetensors_find(st, t->name) != t)
                abort();
            if (bcl_tensor_elements(t) <= sizeof floats / sizeof *floats)
                (void)bcl_tensor_to_float(floats, t);
        }
    bcl_safetensors_close(st);
    return 0;
}
