/* libFuzzer target (-DBERTCL_FUZZ=ON with clang): any bytes as a pickle of tensors, and as a whole
 * pytorch_model.bin. */
#include "model/torch_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static float floats[1024];
    bcl_pickle pickle;
    bcl_torch_file *file = NULL;
    (void)bcl_pickle_read(&pickle, data, size, "fuzz");
    bcl_pickle_free(&pickle);
    if (bcl_torch_file_open_memory(&file, data, size, "fuzz") == BCL_OK)
        for (size_t i = 0; i < bcl_torch_file_count(file); i++) {
            const bcl_tensor *t = bcl_torch_file_at(file, i);
            volatile unsigned char sum = 0;
            for (size_t k = 0; k < t->bytes; k++)
                sum = (unsigned char)(sum + ((const unsigned char *)t->data)[k]);
            if (t->bytes > size)
                abort();
            if (t->bytes / 2 <= sizeof floats / sizeof *floats)
                (void)bcl_tensor_to_float(floats, t);
        }
    bcl_torch_file_close(file);
    return 0;
}
