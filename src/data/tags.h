/* Inside data/: tags as prefix and type, and the entities that they make. */
#ifndef BCL_TAGS_H
#define BCL_TAGS_H

#include "data/reader.h"
#include "data/scheme.h"

/* The parts of every tag of a corpus, (tag count), also of B_PER; without any prefix in all of the
 * tags each but "O" is I of its name. Fails on a tag of no scheme among others. To free(). */
bcl_status bcl_tag_parts_create(bcl_tag_parts **out, const bcl_corpus *corpus);

/* Words [begin,end) of a sentence. */
typedef struct bcl_entity {
    size_t begin, end;
    const char *type;
} bcl_entity;
/* The entity behind *e, the first if *e is zeroed, as conlleval finds it; false if there is none.
 */
bool bcl_entity_next(bcl_entity *e, const bcl_tag_parts *parts, const uint32_t *tags, size_t n);

#endif
