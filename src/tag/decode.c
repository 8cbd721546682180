/* Pieces to text as tokenizers' WordPiece decoder does, cleanup included. */
#include "tag/tag.h"

/* tokenizers 0.23, decoders/wordpiece.rs, cleanup(): in this order, each over the whole token. */
static const char *const replacements[][2] = {
    {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
    {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
    {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
};

static bool may_need_cleanup(const char *p, size_t size) {
    for (size_t i = 0; i + 1 < size; i++)
        if (p[i] == ' ' && p[i + 1] && strchr(".?!,'nd", p[i + 1]))
            return true;
    return false;
}

/* No replacement is longer than what it replaces. */
static void replace(bcl_string *s, const char *from, const char *to) {
    const size_t n = strlen(from), m = strlen(to);
    size_t out = 0;
    for (size_t i = 0; i < s->size;) {
        if (s->size - i >= n && !memcmp(s->data + i, from, n)) {
            memcpy(s->data + out, to, m);
            out += m;
            i += n;
        } else {
            s->data[out++] = s->data[i++];
        }
    }
    s->size = out;
    s->data[out] = 0;
}

bcl_status bcl_decode_token(bcl_string *out, bcl_string *token, const char *text, size_t size,
                            bool first) {
    bcl_status status = BCL_OK;
    token->size = 0;
    if (!first && size >= 2 && !memcmp(text, "##", 2)) {
        text += 2;
        size -= 2;
    } else if (!first) {
        BCL_TRY(bcl_string_add(token, " ", 1));
    }
    BCL_TRY(bcl_string_add(token, text, size));
    if (may_need_cleanup(token->data, token->size))
        for (size_t i = 0; i < sizeof replacements / sizeof *replacements; i++)
            replace(token, replacements[i][0], replacements[i][1]);
    BCL_TRY(bcl_string_add(out, token->data, token->size));
out:
    return status;
}
