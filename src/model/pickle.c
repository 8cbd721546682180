/* A pickle machine that knows the opcodes and the names that torch.save needs for a table of
 * tensors, and no others. Values are plain data in one array; nothing is called, imported or
 * followed recursively. Opcodes: Python's Lib/pickletools.py. */
#include "model/safetensors_header.h"
#include "model/torch_file.h"

typedef enum kind {
    K_NONE,
    K_BOOL,
    K_INT,
    K_FLOAT,
    K_TEXT,
    K_TUPLE,
    K_LIST,
    K_DICT,
    K_ORDERED_DICT, /* the class */
    K_REBUILD_TENSOR,
    K_REBUILD_PARAMETER,
    K_STORAGE_TYPE,
    K_STORAGE,
    K_TENSOR
} kind;

static const char *const kind_names[] = {
    "None",   "a bool",  "a number",   "a number",   "a string",       "a tuple",   "a list",
    "a dict", "a class", "a function", "a function", "a storage type", "a storage", "a tensor"};

/* What a pickle may name. */
static const struct {
    const char *name;
    kind kind;
    bcl_dtype dtype;
} globals[] = {
    {"collections.OrderedDict", K_ORDERED_DICT, 0},
    {"torch._utils._rebuild_tensor_v2", K_REBUILD_TENSOR, 0},
    {"torch._utils._rebuild_parameter", K_REBUILD_PARAMETER, 0},
    {"torch.FloatStorage", K_STORAGE_TYPE, BCL_F32},
    {"torch.HalfStorage", K_STORAGE_TYPE, BCL_F16},
    {"torch.BFloat16Storage", K_STORAGE_TYPE, BCL_BF16},
    {"torch.DoubleStorage", K_STORAGE_TYPE, BCL_F64},
    {"torch.LongStorage", K_STORAGE_TYPE, BCL_I64},
    {"torch.IntStorage", K_STORAGE_TYPE, BCL_I32},
    {"torch.ShortStorage", K_STORAGE_TYPE, BCL_I16},
    {"torch.CharStorage", K_STORAGE_TYPE, BCL_I8},
    {"torch.ByteStorage", K_STORAGE_TYPE, BCL_U8},
    {"torch.BoolStorage", K_STORAGE_TYPE, BCL_BOOL},
};

/* Containers hold lists of items, so that no value moves; a dict's are keys and values in turn. */
typedef struct value {
    kind kind;
    uint32_t first, last, count; /* items; 0: none, as item 0 is not used */
    union {
        int64_t i;        /* K_BOOL, K_INT */
        const char *text; /* K_TEXT */
        bcl_dtype dtype;  /* K_STORAGE_TYPE */
        size_t index;     /* K_STORAGE: in `storages`; K_TENSOR: in `tensors` */
    } u;
} value;

typedef struct item {
    uint32_t value, next;
} item;

typedef struct storage {
    const char *key;
    bcl_dtype dtype;
    uint64_t elements;
} storage;

typedef struct machine {
    const unsigned char *data;
    size_t size, at;
    size_t opcode; /* where the opcode at work begins */
    const char *path;
    char *texts; /* room for every string: each is shorter than its opcode */
    size_t text_used;
    value *values;
    size_t value_count, value_capacity;
    item *items;
    size_t item_count, item_capacity;
    uint32_t *stack; /* indices of values */
    size_t depth, stack_capacity;
    size_t *marks; /* depths */
    size_t mark_count, mark_capacity;
    uint32_t *memo;
    size_t memo_count, memo_capacity;
    storage *storages;
    size_t storage_count, storage_capacity;
    bcl_pickled_tensor *tensors;
    size_t tensor_count, tensor_capacity;
} machine;

#define DAMAGED(m, ...) damaged(m, BCL_ERROR_FORMAT, __VA_ARGS__)
#define REFUSED(m, ...) damaged(m, BCL_ERROR_UNSUPPORTED, __VA_ARGS__)

static bcl_status damaged(const machine *m, bcl_status code, const char *found,
                          const char *expected) {
    return bcl_fail(code, "%s: data.pkl: byte %zu: found %s, expected %s", m->path, m->opcode,
                    found, expected);
}

static bcl_status take(machine *m, size_t size, const unsigned char **out) {
    if (size > m->size - m->at)
        return DAMAGED(m, "an opcode that is cut off", "its argument");
    *out = m->data + m->at;
    m->at += size;
    return BCL_OK;
}

static bcl_status take_number(machine *m, int bytes, uint64_t *out) {
    const unsigned char *p = NULL;
    bcl_status status = take(m, (size_t)bytes, &p);
    *out = 0;
    for (int i = status ? 0 : bytes; i-- > 0;)
        *out = *out << 8 | p[i];
    return status;
}

/* ---- the stack ---- */

static bcl_status push(machine *m, uint32_t index) {
    bcl_status status = bcl_grow(&m->stack, &m->stack_capacity, m->depth + 1, sizeof *m->stack);
    if (!status)
        m->stack[m->depth++] = index;
    return status;
}

static bcl_status push_value(machine *m, value v) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_grow(&m->values, &m->value_capacity, m->value_count + 1, sizeof v));
    m->values[m->value_count++] = v;
    BCL_TRY(push(m, (uint32_t)(m->value_count - 1)));
out:
    return status;
}

/* The lowest place that an opcode may take from: what lies above the last mark. */
static size_t floor_of(const machine *m) {
    return m->mark_count ? m->marks[m->mark_count - 1] : 0;
}

static bcl_status pop(machine *m, uint32_t *out) {
    *out = 0;
    if (m->depth <= floor_of(m))
        return DAMAGED(m, "an empty stack", "a value");
    *out = m->stack[--m->depth];
    return BCL_OK;
}

/* *begin = where the values above the last mark begin; the mark goes. */
static bcl_status pop_mark(machine *m, size_t *begin) {
    if (!m->mark_count)
        return DAMAGED(m, "no mark on the stack", "one");
    *begin = m->marks[--m->mark_count];
    return BCL_OK;
}

static bcl_status append(machine *m, uint32_t container, uint32_t what) {
    bcl_status status = BCL_OK;
    if (!m->item_count)
        m->item_count = 1;
    BCL_TRY(bcl_grow(&m->items, &m->item_capacity, m->item_count + 1, sizeof *m->items));
    const uint32_t at = (uint32_t)m->item_count++;
    value *v = &m->values[container];
    m->items[at] = (item){.value = what};
    if (v->count++)
        m->items[v->last].next = at;
    else
        v->first = at;
    v->last = at;
out:
    return status;
}

/* Moves what lies on the stack from `begin` on into a container of this kind below it. */
static bcl_status gather(machine *m, size_t begin, uint32_t container) {
    bcl_status status = BCL_OK;
    if (m->values[container].kind == K_DICT && (m->depth - begin) % 2)
        return DAMAGED(m, "a key without a value", "pairs");
    for (size_t i = begin; i < m->depth; i++)
        BCL_TRY(append(m, container, m->stack[i]));
    m->depth = begin;
out:
    return status;
}

static bcl_status gather_into(machine *m, size_t begin, kind expected) {
    bcl_status status = BCL_OK;
    if (begin <= floor_of(m) || m->depth < begin || m->values[m->stack[begin - 1]].kind != expected)
        return DAMAGED(m, "no container below the values", kind_names[expected]);
    BCL_TRY(gather(m, begin, m->stack[begin - 1]));
out:
    return status;
}

static bcl_status push_tuple(machine *m, size_t begin) {
    bcl_status status = BCL_OK;
    const uint32_t tuple = (uint32_t)m->value_count;
    if (m->depth < begin || begin < floor_of(m))
        return DAMAGED(m, "too few values on the stack", "a tuple's");
    BCL_TRY(push_value(m, (value){.kind = K_TUPLE}));
    m->depth--;
    BCL_TRY(gather(m, begin, tuple));
    BCL_TRY(push(m, tuple));
out:
    return status;
}

/* ---- scalars and strings ---- */

static bcl_status push_text(machine *m, int length_bytes) {
    bcl_status status = BCL_OK;
    uint64_t n;
    const unsigned char *p = NULL;
    BCL_TRY(take_number(m, length_bytes, &n));
    if (n > m->size)
        return DAMAGED(m, "a string that is cut off", "its bytes");
    BCL_TRY(take(m, (size_t)n, &p));
    if (memchr(p, 0, (size_t)n) || bcl_utf8_span(p, (size_t)n) != n)
        return DAMAGED(m, "a string with bytes that are not text", "UTF-8 without NUL");
    char *text = m->texts + m->text_used;
    memcpy(text, p, (size_t)n); /* the arena is zeroed */
    m->text_used += (size_t)n + 1;
    BCL_TRY(push_value(m, (value){.kind = K_TEXT, .u.text = text}));
out:
    return status;
}

static bcl_status push_int(machine *m, int bytes, bool is_signed) {
    bcl_status status = BCL_OK;
    uint64_t x;
    BCL_TRY(take_number(m, bytes, &x));
    if (is_signed && bytes && bytes < 8 && x >> (8 * bytes - 1))
        x |= UINT64_MAX << 8 * bytes;
    BCL_TRY(push_value(m, (value){.kind = K_INT, .u.i = (int64_t)x}));
out:
    return status;
}

static bcl_status push_long(machine *m) {
    bcl_status status = BCL_OK;
    uint64_t n;
    BCL_TRY(take_number(m, 1, &n));
    if (n > 8)
        return DAMAGED(m, "an integer of more than 64 bits", "a size");
    BCL_TRY(push_int(m, (int)n, true));
out:
    return status;
}

static bcl_status scalar(machine *m, unsigned char opcode, bool *known) {
    uint64_t ignored;
    switch (opcode) {
    case 'N':
        return push_value(m, (value){.kind = K_NONE});
    case 0x88: /* NEWTRUE */
    case 0x89: /* NEWFALSE */
        return push_value(m, (value){.kind = K_BOOL, .u.i = opcode == 0x88});
    case 'K': /* BININT1 */
        return push_int(m, 1, false);
    case 'M': /* BININT2 */
        return push_int(m, 2, false);
    case 'J': /* BININT */
        return push_int(m, 4, true);
    case 0x8a: /* LONG1 */
        return push_long(m);
    case 'G': { /* BINFLOAT: no tensor needs its value */
        bcl_status status = take_number(m, 8, &ignored);
        return status ? status : push_value(m, (value){.kind = K_FLOAT});
    }
    case 'U':  /* SHORT_BINSTRING */
    case 0x8c: /* SHORT_BINUNICODE */
        return push_text(m, 1);
    case 'T': /* BINSTRING */
    case 'X': /* BINUNICODE */
        return push_text(m, 4);
    case 0x8d: /* BINUNICODE8 */
        return push_text(m, 8);
    default:
        *known = false;
        return BCL_OK;
    }
}

/* ---- containers ---- */

static bcl_status container(machine *m, unsigned char opcode, bool *known) {
    bcl_status status = BCL_OK;
    size_t begin = 0;
    switch (opcode) {
    case '(': /* MARK */
        BCL_TRY(bcl_grow(&m->marks, &m->mark_capacity, m->mark_count + 1, sizeof *m->marks));
        m->marks[m->mark_count++] = m->depth;
        break;
    case ')': /* EMPTY_TUPLE */
    case ']': /* EMPTY_LIST */
    case '}': /* EMPTY_DICT */
        return push_value(m, (value){.kind = opcode == ')'   ? K_TUPLE
                                             : opcode == ']' ? K_LIST
                                                             : K_DICT});
    case 't': /* TUPLE */
        BCL_TRY(pop_mark(m, &begin));
        return push_tuple(m, begin);
    case 0x85: /* TUPLE1 */
    case 0x86:
    case 0x87:
        begin = (size_t)(opcode - 0x84);
        return begin > m->depth ? DAMAGED(m, "too few values on the stack", "a tuple's")
                                : push_tuple(m, m->depth - begin);
    case 'a': /* APPEND */
    case 's': /* SETITEM */
        begin = opcode == 'a' ? 1 : 2;
        return begin > m->depth ? DAMAGED(m, "too few values on the stack", "an item")
                                : gather_into(m, m->depth - begin, opcode == 'a' ? K_LIST : K_DICT);
    case 'e': /* APPENDS */
    case 'u': /* SETITEMS */
        BCL_TRY(pop_mark(m, &begin));
        return gather_into(m, begin, opcode == 'e' ? K_LIST : K_DICT);
    default:
        *known = false;
    }
out:
    return status;
}

/* ---- memo ---- */

/* Python numbers its memo in the order of use; a number far beyond must not make us allocate. */
static bcl_status remember(machine *m, uint64_t index) {
    bcl_status status = BCL_OK;
    if (m->depth <= floor_of(m))
        return DAMAGED(m, "an empty stack", "a value to remember");
    if (index > m->memo_count)
        return DAMAGED(m, "a place of the memo that is out of order", "the next one");
    BCL_TRY(bcl_grow(&m->memo, &m->memo_capacity, m->memo_count + 1, sizeof *m->memo));
    m->memo[index] = m->stack[m->depth - 1];
    m->memo_count += index == m->memo_count;
out:
    return status;
}

static bcl_status memo(machine *m, unsigned char opcode, bool *known) {
    bcl_status status = BCL_OK;
    uint64_t index = m->memo_count;
    switch (opcode) {
    case 'q': /* BINPUT */
    case 'r': /* LONG_BINPUT */
        BCL_TRY(take_number(m, opcode == 'q' ? 1 : 4, &index));
        return remember(m, index);
    case 0x94: /* MEMOIZE */
        return remember(m, index);
    case 'h': /* BINGET */
    case 'j': /* LONG_BINGET */
        BCL_TRY(take_number(m, opcode == 'h' ? 1 : 4, &index));
        return index < m->memo_count ? push(m, m->memo[index])
                                     : DAMAGED(m, "a place of the memo without a value", "one");
    default:
        *known = false;
    }
out:
    return status;
}

/* ---- names, storages and tensors ---- */

static bcl_status push_global(machine *m, const char *module, int module_size, const char *name,
                              int name_size) {
    char full[200];
    const int n = snprintf(full, sizeof full, "%.*s.%.*s", module_size, module, name_size, name);
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
        if (!strcmp(full, globals[i].name))
            return push_value(m, (value){.kind = globals[i].kind, .u.dtype = globals[i].dtype});
    for (char *c = full; *c; c++) /* whatever the file holds, the message is one line of text */
        if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
            *c = '?';
    return bcl_fail(BCL_ERROR_UNSUPPORTED,
                    "%s: data.pkl: byte %zu: found the name \"%s%s\", expected tensors alone: a "
                    "pickle may run programs, so bertcl reads no others; with a file that you "
                    "trust, load the model with transformers once and save_pretrained() it, which "
                    "writes safetensors",
                    m->path, m->opcode, full, n >= (int)sizeof full ? "..." : "");
}

static bcl_status take_line(machine *m, const char **line, int *size) {
    const unsigned char *end = memchr(m->data + m->at, '\n', m->size - m->at);
    *line = NULL;
    *size = 0;
    if (!end || end - (m->data + m->at) > 1000)
        return DAMAGED(m, "a name without an end", "a line");
    *line = (const char *)m->data + m->at;
    *size = (int)(end - (m->data + m->at));
    m->at += (size_t)*size + 1;
    return BCL_OK;
}

static bcl_status global(machine *m, bool from_stack) {
    bcl_status status = BCL_OK;
    const char *module, *name;
    int module_size, name_size;
    uint32_t top, below;
    if (!from_stack) {
        BCL_TRY(take_line(m, &module, &module_size));
        BCL_TRY(take_line(m, &name, &name_size));
        return push_global(m, module, module_size, name, name_size);
    }
    BCL_TRY(pop(m, &top));
    BCL_TRY(pop(m, &below));
    if (m->values[top].kind != K_TEXT || m->values[below].kind != K_TEXT)
        return DAMAGED(m, "a name that is no string", "a module and a name");
    BCL_TRY(push_global(m, m->values[below].u.text, 150, m->values[top].u.text, 150));
out:
    return status;
}

/* The items of a tuple of `least` to `most`; false if it is no such tuple. */
static bool unpack(const machine *m, uint32_t tuple, const value **out, uint32_t least,
                   uint32_t most) {
    const value *v = &m->values[tuple];
    if (v->kind != K_TUPLE || v->count < least || v->count > most)
        return false;
    for (uint32_t i = 0, at = v->first; i < v->count; i++, at = m->items[at].next)
        out[i] = &m->values[m->items[at].value];
    return true;
}

/* ("storage", type, key, device, elements): the bytes of a tensor, which are another entry. */
static bcl_status push_storage(machine *m) {
    bcl_status status = BCL_OK;
    const value *a[6];
    uint32_t id;
    BCL_TRY(pop(m, &id));
    if (!unpack(m, id, a, 5, 6) || a[0]->kind != K_TEXT || strcmp(a[0]->u.text, "storage") ||
        a[1]->kind != K_STORAGE_TYPE || a[2]->kind != K_TEXT || a[4]->kind != K_INT ||
        a[4]->u.i < 0 || (m->values[id].count == 6 && a[5]->kind != K_NONE))
        return DAMAGED(m, "another reference", "a storage with type, key and size");
    const storage s = {a[2]->u.text, a[1]->u.dtype, (uint64_t)a[4]->u.i};
    BCL_TRY(bcl_grow(&m->storages, &m->storage_capacity, m->storage_count + 1, sizeof s));
    m->storages[m->storage_count++] = s;
    BCL_TRY(push_value(m, (value){.kind = K_STORAGE, .u.index = m->storage_count - 1}));
out:
    return status;
}

/* Sizes or strides. */
static bool read_dims(const machine *m, const value *v, int64_t *out, uint32_t *rank) {
    if (v->kind != K_TUPLE || v->count > BCL_TENSOR_RANK_MAX)
        return false;
    *rank = v->count;
    for (uint32_t i = 0, at = v->first; i < v->count; i++, at = m->items[at].next) {
        const value *x = &m->values[m->items[at].value];
        if (x->kind != K_INT || x->u.i < 0)
            return false;
        out[i] = x->u.i;
    }
    return true;
}

/* True if every element of the view lies in its storage, and there are no more than it has. */
static bool lies_inside(const bcl_pickled_tensor *t) {
    uint64_t last = t->offset, elements = 1, step;
    for (int i = 0; i < t->rank; i++)
        if (!t->shape[i])
            return t->offset <= t->storage_elements;
    for (int i = 0; i < t->rank; i++)
        if (__builtin_mul_overflow(elements, (uint64_t)t->shape[i], &elements) ||
            __builtin_mul_overflow((uint64_t)t->shape[i] - 1, (uint64_t)t->stride[i], &step) ||
            __builtin_add_overflow(last, step, &last))
            return false;
    return last < t->storage_elements && elements <= t->storage_elements;
}

/* _rebuild_tensor_v2(storage, offset, sizes, strides, requires_grad, hooks[, metadata]) */
static bcl_status push_tensor(machine *m, uint32_t arguments) {
    bcl_status status = BCL_OK;
    const value *a[7];
    bcl_pickled_tensor t = {0};
    uint32_t rank, strides;
    if (!unpack(m, arguments, a, 4, 7) || a[0]->kind != K_STORAGE || a[1]->kind != K_INT ||
        a[1]->u.i < 0 || !read_dims(m, a[2], t.shape, &rank) ||
        !read_dims(m, a[3], t.stride, &strides) || rank != strides)
        return DAMAGED(m, "a tensor of other parts",
                       "a storage, an offset, and at most 8 sizes and strides of 0 or more");
    const storage *s = &m->storages[a[0]->u.index];
    t.storage = s->key;
    t.dtype = s->dtype;
    t.storage_elements = s->elements;
    t.offset = (uint64_t)a[1]->u.i;
    t.rank = (int)rank;
    if (!lies_inside(&t))
        return DAMAGED(m, "a tensor that reaches beyond its storage", "it inside");
    BCL_TRY(bcl_grow(&m->tensors, &m->tensor_capacity, m->tensor_count + 1, sizeof t));
    m->tensors[m->tensor_count++] = t;
    BCL_TRY(push_value(m, (value){.kind = K_TENSOR, .u.index = m->tensor_count - 1}));
out:
    return status;
}

static bcl_status reduce(machine *m) {
    bcl_status status = BCL_OK;
    uint32_t arguments = 0, callable = 0;
    const value *a[3];
    BCL_TRY(pop(m, &arguments));
    BCL_TRY(pop(m, &callable));
    switch (m->values[callable].kind) {
    case K_ORDERED_DICT:
        return unpack(m, arguments, a, 0, 0) ? push_value(m, (value){.kind = K_DICT})
                                             : DAMAGED(m, "an OrderedDict of arguments", "none");
    case K_REBUILD_TENSOR:
        return push_tensor(m, arguments);
    case K_REBUILD_PARAMETER:
        return unpack(m, arguments, a, 3, 3) && a[0]->kind == K_TENSOR
                   ? push_value(m, *a[0])
                   : DAMAGED(m, "a parameter of other parts", "a tensor");
    default:
        return DAMAGED(m, "a call of something else", "of a function");
    }
out:
    return status;
}

/* The attributes of an object: those of a state_dict (_metadata) say nothing about tensors. */
static bcl_status build(machine *m) {
    bcl_status status = BCL_OK;
    uint32_t state;
    BCL_TRY(pop(m, &state));
    if (m->depth <= floor_of(m) || m->values[m->stack[m->depth - 1]].kind != K_DICT ||
        m->values[state].kind != K_DICT)
        return DAMAGED(m, "attributes of something else", "of an OrderedDict");
out:
    return status;
}

static bcl_status object(machine *m, unsigned char opcode, bool *known) {
    bcl_status status = BCL_OK;
    uint64_t ignored;
    switch (opcode) {
    case 'c': /* GLOBAL */
    case 0x93:
        return global(m, opcode == 0x93);
    case 'Q': /* BINPERSID */
        return push_storage(m);
    case 'R':
        return reduce(m);
    case 'b':
        return build(m);
    case 0x80: /* PROTO */
        BCL_TRY(take_number(m, 1, &ignored));
        if (ignored > 5)
            return REFUSED(m, "a later protocol", "pickle's protocol 2 to 5");
        break;
    case 0x95: /* FRAME */
        return take_number(m, 8, &ignored);
    default:
        *known = false;
    }
out:
    return status;
}

static bcl_status step(machine *m, unsigned char opcode) {
    static bcl_status (*const groups[])(machine *, unsigned char, bool *) = {scalar, memo,
                                                                             container, object};
    char found[32];
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        bool known = true;
        const bcl_status status = groups[i](m, opcode, &known);
        if (status || known)
            return status;
    }
    snprintf(found, sizeof found, "the opcode 0x%02x", opcode);
    return REFUSED(m, found, "those of a table of tensors: not one of torch.save(state_dict())");
}

/* ---- the table ---- */

static int by_name(const void *a, const void *b) {
    const bcl_pickled_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static bcl_status check_distinct(const bcl_pickle *p, const char *path) {
    bcl_status status = BCL_OK;
    const bcl_pickled_tensor **sorted = NULL;
    BCL_NEW(sorted, p->count);
    for (size_t i = 0; i < p->count; i++)
        sorted[i] = &p->tensors[i];
    if (p->count)
        qsort(sorted, p->count, sizeof *sorted, by_name);
    for (size_t i = 1; i < p->count; i++)
        if (!strcmp(sorted[i - 1]->name, sorted[i]->name))
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: tensor \"%.100s\": found twice, expected once", path,
                     sorted[i]->name);
out:
    free(sorted);
    return status;
}

/* What STOP leaves must be one dict of names and tensors. */
static bcl_status collect(bcl_pickle *out, const machine *m) {
    bcl_status status = BCL_OK;
    const value *table = m->depth == 1 && !m->mark_count ? &m->values[m->stack[0]] : NULL;
    if (!table || table->kind != K_DICT)
        return bcl_fail(BCL_ERROR_UNSUPPORTED,
                        "%s: data.pkl: found %s, expected a dict of names and tensors, as "
                        "torch.save(model.state_dict()) writes it",
                        m->path, table ? kind_names[table->kind] : "no single value");
    for (uint32_t i = 0, at = table->first; i < table->count; i += 2) {
        const value *key = &m->values[m->items[at].value];
        at = m->items[at].next;
        const value *v = &m->values[m->items[at].value];
        at = m->items[at].next;
        if (key->kind != K_TEXT || v->kind != K_TENSOR)
            BCL_FAIL(BCL_ERROR_UNSUPPORTED,
                     "%s: data.pkl: %s%.100s: found %s, expected names and tensors: save "
                     "model.state_dict() alone",
                     m->path, key->kind == K_TEXT ? "entry " : "a key",
                     key->kind == K_TEXT ? key->u.text : "",
                     kind_names[key->kind == K_TEXT ? v->kind : key->kind]);
        BCL_TRY(bcl_grow(&out->tensors, &out->capacity, out->count + 1, sizeof *out->tensors));
        out->tensors[out->count] = m->tensors[v->u.index];
        out->tensors[out->count++].name = key->u.text;
    }
    BCL_TRY(check_distinct(out, m->path));
out:
    return status;
}

bcl_status bcl_pickle_read(bcl_pickle *out, const unsigned char *data, size_t size,
                           const char *path) {
    bcl_status status = BCL_OK;
    machine m = {.data = data, .size = size, .path = path};
    *out = (bcl_pickle){0};
    if (size > BCL_PICKLE_MAX)
        BCL_FAIL(BCL_ERROR_UNSUPPORTED, "%s: data.pkl: found %zu bytes, expected at most %d", path,
                 size, BCL_PICKLE_MAX);
    BCL_NEW(out->texts, size + 1);
    m.texts = out->texts;
    for (;;) {
        m.opcode = m.at;
        if (m.at == size) {
            status = DAMAGED(&m, "the end", "a STOP before it (cut off?)");
            goto out;
        }
        const unsigned char opcode = data[m.at++];
        if (opcode == '.')
            break;
        BCL_TRY(step(&m, opcode));
    }
    BCL_TRY(collect(out, &m));
out:
    free(m.values);
    free(m.items);
    free(m.stack);
    free(m.marks);
    free(m.memo);
    free(m.storages);
    free(m.tensors);
    return status;
}

void bcl_pickle_free(bcl_pickle *pickle) {
    free(pickle->tensors);
    free(pickle->texts);
    *pickle = (bcl_pickle){0};
}
