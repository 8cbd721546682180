/* The options of bcl_reading, as every command and run.json name them: their help, once. */
#ifndef BCL_READING_H
#define BCL_READING_H

#include <bertcl/data.h>

#define BCL_CHOICES_FORMAT                                                                         \
    "auto|conll|conll2003|germeval|conllu|jsonl|doccano|prodigy|label-studio|brat"
#define BCL_CHOICES_MAP_PRESET "un-ner|none"

#define BCL_HELP_FORMAT                                                                            \
    "of the data: conll, germeval, conllu, jsonl, doccano, prodigy, label-studio or brat; "        \
    "default: found from each file"
#define BCL_HELP_WORD_COLUMN                                                                       \
    "the word's column: from 1, from the end as -1, or its name in the header line"
#define BCL_HELP_TAG_COLUMN                                                                        \
    "the tag's column, the same way; default: found, mostly the last that is not empty"
#define BCL_HELP_MISC_KEY "the tag's key in CoNLL-U's MISC; default: the one whose values are tags"
#define BCL_HELP_TAG_NAMES                                                                         \
    "what the numbers mean that stand for tags in JSON, from 0; or a file with one a line"
#define BCL_HELP_MAP      "read tag A as B; may be given several times"
#define BCL_HELP_MAP_FILE "rules A=B or A<TAB>B, one a line; '#' begins a comment line"
#define BCL_HELP_MAP_PRESET                                                                        \
    "un-ner: the six stray tags of the UN corpus (0, I-, I-I-MISC, I-OR, I-PRG, VMISC) become O. " \
    "Taken by itself, and said, where the tags are that corpus' and no rule is given; none: never"

#endif
