/* make_tiny_model FOLDER [SEED]: the model that the command-line tests train. */
#include "support/tiny_model.h"

int main(int argc, char **argv) {
    tiny_model shape = TINY;
    if (argc < 2)
        return 2;
    if (argc > 2)
        shape.seed = strtoull(argv[2], NULL, 10);
    if (tiny_model_write(argv[1], &shape)) {
        fprintf(stderr, "%s\n", bcl_message());
        return 1;
    }
    return 0;
}
