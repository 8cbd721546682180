/* The bytes of the file that bertcl predict reads, by lines or whole. */
#include "cli/predict.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

enum {
    READ_BYTES = 1 << 16,
    MOST_LINE_BYTES =
        1 << 24 /* a text is in memory whole, and its pieces take several times that */
};

/* Nobody should wait for an answer because the next question has not come. */
static bcl_status before_read(bcl_predict_input *j) {
    bcl_status status = BCL_OK;
    struct pollfd wait = {.fd = j->fd, .events = POLLIN};
    if (poll(&wait, 1, 0) != 0)
        return status;
    BCL_TRY(bcl_tagger_flush(j->tagger));
    if (fflush(j->output->to))
        status = bcl_fail_errno("%s: cannot write", j->output->to_name);
out:
    return status;
}

static bcl_status read_more(bcl_predict_input *j) {
    bcl_status status = BCL_OK;
    if (j->at) {
        memmove(j->buffer.data, j->buffer.data + j->at, j->buffer.size - j->at);
        j->buffer.size -= j->at;
        j->at = 0;
    }
    j->searched = j->buffer.size;
    BCL_TRY(before_read(j));
    BCL_TRY(bcl_grow(&j->buffer.data, &j->buffer.capacity, j->buffer.size + READ_BYTES, 1));
    ssize_t n;
    do
        n = read(j->fd, j->buffer.data + j->buffer.size, READ_BYTES);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        status = bcl_fail_errno("%s: cannot read", j->name);
        goto out;
    }
    j->buffer.size += (size_t)n;
    j->ended = !n;
out:
    return status;
}

bcl_status bcl_predict_read_whole(bcl_predict_input *j) {
    bcl_status status = BCL_OK;
    size_t seen = 0;
    /* What holds a NUL is no text, and may have no end. */
    while (!j->ended &&
           !(j->buffer.size > seen && memchr(j->buffer.data + seen, 0, j->buffer.size - seen))) {
        seen = j->buffer.size;
        BCL_TRY(read_more(j));
        if (j->buffer.size > BCL_MAX_FILE_SIZE)
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: found more than %llu bytes, expected at most that many",
                     j->name, (unsigned long long)BCL_MAX_FILE_SIZE);
    }
    BCL_TRY(bcl_grow(&j->buffer.data, &j->buffer.capacity, j->buffer.size + 1, 1));
    j->buffer.data[j->buffer.size] = 0;
out:
    return status;
}

size_t bcl_predict_open_point(const char *text, size_t size) {
    size_t n = 0;
    while (n < 3 && n < size && (text[size - 1 - n] & 0xC0) == 0x80)
        n++;
    return n < size && (text[size - 1 - n] & 0xC0) == 0xC0 ? n + 1 : 0;
}

bcl_status bcl_predict_next_line(bcl_predict_input *j, const char **line, size_t *size) {
    bcl_status status = BCL_OK;
    const char *end = NULL;
    j->column = j->next_column;
    j->line += !j->column;
    for (;;) {
        const size_t from = j->searched > j->at ? j->searched : j->at;
        const size_t have = j->buffer.size - j->at;
        if (from < j->buffer.size)
            end = memchr(j->buffer.data + from, '\n', j->buffer.size - from);
        if (end || j->ended || (j->source == BCL_SOURCE_DOCUMENT && have >= READ_BYTES))
            break;
        if (have > MOST_LINE_BYTES)
            BCL_FAIL(
                BCL_ERROR_FORMAT,
                "%s: line %llu: found more than %d MiB without a line break, expected one text; "
                "--document reads running text",
                j->name, (unsigned long long)j->line, MOST_LINE_BYTES >> 20);
        BCL_TRY(read_more(j));
    }
    *line = j->buffer.data + j->at;
    *size = end ? (size_t)(end + 1 - *line) : j->buffer.size - j->at;
    if (!end && !j->ended)
        *size -= bcl_predict_open_point(*line, *size);
    j->at += *size;
    j->next_column = end ? 0 : j->column + *size;
out:
    return status;
}
