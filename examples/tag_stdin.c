/* tag_stdin MODEL: prints the entities of each line of standard input, one a line:
 * line number, type, score, text. */
#include <bertcl/bertcl.h>

#include <stdio.h>
#include <stdlib.h>

static bcl_status print(void *context, const bcl_tagged *result) {
    (void)context;
    for (size_t i = 0; i < result->entity_count; i++) {
        const bcl_tagged_entity *e = &result->entities[i];
        printf("%llu\t%s\t%.3f\t%.*s\n", (unsigned long long)result->number + 1, e->label,
               (double)e->score, (int)(e->end_byte - e->start_byte), result->text + e->start_byte);
    }
    return BCL_OK;
}

int main(int argc, char **argv) {
    char *folder = NULL, line[65536];
    bcl_tagger *tagger = NULL;
    if (argc != 2) {
        fprintf(stderr, "usage: tag_stdin DIR|ORG/NAME < TEXT\n");
        return 2;
    }
    const bcl_tagger_options options = {.aggregation = BCL_AGGREGATION_FIRST, .sink = print};
    bcl_status status = bcl_hub_find(&folder, argv[1], NULL, NULL);
    if (!status)
        status = bcl_tagger_open(&tagger, folder, &options);
    while (!status && fgets(line, sizeof line, stdin)) {
        size_t size = 0;
        while (line[size] && line[size] != '\n')
            size++;
        status = bcl_tagger_add_text(tagger, line, size, NULL);
    }
    if (!status)
        status = bcl_tagger_flush(tagger);
    if (status)
        fprintf(stderr, "tag_stdin: %s\n", bcl_message());
    bcl_tagger_free(tagger);
    free(folder);
    return status != BCL_OK;
}
