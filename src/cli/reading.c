/* What is said of corpora that the commands read. */
#include "cli/cli.h"
#include "data/dataset.h"
#include "util/printable.h"

bcl_reading bcl_cli_reading_of(const bcl_cli_reading *reading) {
    bcl_reading r = reading->texts;
    r.map_rules = (bcl_texts){reading->maps.items, reading->maps.count};
    return r;
}

void bcl_cli_tell(const char *note) {
    fputs("data: ", stderr);
    bcl_printable_put(stderr, note, strlen(note));
    fputc('\n', stderr);
}

bcl_status bcl_cli_read(bcl_tag_map **map, bcl_corpus **corpora, const bcl_texts *paths,
                        size_t count, const bcl_cli_reading *reading, bool keep_going, bool quiet) {
    bcl_status status = BCL_OK;
    const bcl_reading r = bcl_cli_reading_of(reading);
    BCL_TRY(bcl_corpora_read(map, corpora, paths, count, &r, keep_going));
    for (size_t i = 0; i < count && !quiet; i++)
        for (size_t k = 0; corpora[i] && k < bcl_corpus_note_count(corpora[i]); k++)
            bcl_cli_tell(bcl_corpus_note(corpora[i], k));
out:
    return status;
}

void bcl_cli_tell_dataset(const bcl_dataset *data, const char *name, bool quiet) {
    char notes[BCL_DATASET_NOTES][BCL_DATASET_NOTE];
    const size_t n = quiet ? 0 : bcl_dataset_notes(data, name, notes);
    for (size_t i = 0; i < n; i++)
        bcl_cli_tell(notes[i]);
}
