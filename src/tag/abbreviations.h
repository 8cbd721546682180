/* Inside tag/: words that tell what a full stop means, of English, German, French and Spanish
 * together, as a text's language is not known. */
#ifndef BCL_ABBREVIATIONS_H
#define BCL_ABBREVIATIONS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum bcl_abbreviation {
    BCL_ABBREVIATION_NONE,
    BCL_ABBREVIATION_NEVER,  /* something always follows: titles, "vgl.", "p. ej." */
    BCL_ABBREVIATION_NUMBER, /* no end in front of a number: "No. 5", but "No. He won't" */
    BCL_ABBREVIATION_MAY     /* an end where a word that begins sentences follows: "Co. They" */
} bcl_abbreviation;
/* Of the word in front of a full stop. */
bcl_abbreviation bcl_abbreviation_of(const char *word, size_t size);

/* Words such as "The", "Wir", "Elle", "Pero", capital letter first: after an abbreviation they
 * begin a sentence. */
bool bcl_begins_sentences(const char *word, size_t size);
/* Names of months, whole or short, as they stand behind "12." */
bool bcl_is_month(const char *word, size_t size);
/* German words between which and a noun an ordinal stands: "am 3. Spieltag", "der 2. Weltkrieg". */
bool bcl_leads_ordinal(const char *word, size_t size);

#endif
