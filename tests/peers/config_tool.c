/* For tests/peers/model_files.py: reads IN/config.json, prints what was understood as one line of
 * JSON, writes OUT/config.json. usage: config_tool IN OUT */
#include "model/files.h"

int main(int argc, char **argv) {
    bcl_status status = BCL_OK;
    bcl_config c = {0};
    if (argc < 3)
        return 2;
    BCL_TRY(bcl_config_read(&c, argv[1]));
    printf("{\"hidden_size\":%d,\"num_attention_heads\":%d,\"num_hidden_layers\":%d,"
           "\"intermediate_size\":%d,\"vocab_size\":%d,\"max_position_embeddings\":%d,"
           "\"type_vocab_size\":%d,\"num_labels\":%d,\"layer_norm_eps\":%.17g,"
           "\"hidden_dropout_prob\":%.17g,\"attention_probs_dropout_prob\":%.17g,"
           "\"classifier_dropout\":%.17g,\"initializer_range\":%.17g,\"pad_token_id\":%d,"
           "\"tanh\":%d}\n",
           c.hidden, c.heads, c.layers, c.intermediate, c.vocabulary, c.positions, c.types,
           c.labels, c.layer_norm_eps, c.hidden_dropout, c.attention_dropout, c.classifier_dropout,
           c.initializer_range, c.pad_token_id, c.activation == BCL_GELU_TANH);
    BCL_TRY(bcl_config_write(&c, argv[2]));
out:
    if (status)
        fprintf(stderr, "%s\n", bcl_message());
    bcl_config_free(&c);
    return status ? 1 : 0;
}
