#include "kv_index.h"

#include <string.h>

#include "base/check.h"

#define LEFT_HIGH  0u
#define LEVEL      1u
#define RIGHT_HIGH 2u

/* The way from the root to a place: links that were followed, and whether each led to a right child. */
struct path {
    struct kv_entry **link[KV_INDEX_DEPTH];
    bool right[KV_INDEX_DEPTH];
    uint32_t depth;
};

int kv_key_compare(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    if (order)
        return order;
    return a_len < b_len ? -1 : a_len > b_len;
}

static void path_push(struct path *path, struct kv_entry **link, bool right)
{
    CHECK(path->depth < KV_INDEX_DEPTH);
    path->link[path->depth] = link;
    path->right[path->depth] = right;
    path->depth++;
}

/* Descends to `key`; returns the link where it is, or where it belongs. */
static struct kv_entry **path_find(struct path *path, struct kv_index *index, const struct kv_entry *entry)
{
    struct kv_entry **link = &index->root;
    path->depth = 0;
    while (*link) {
        int order = kv_key_compare(entry->key, entry->key_len, (*link)->key, (*link)->key_len);
        if (order == 0)
            break;
        path_push(path, link, order > 0);
        link = order > 0 ? &(*link)->right : &(*link)->left;
    }
    return link;
}

/* Single rotation: the child on the high side becomes the top. */
static void rotate(struct kv_entry **link, bool right)
{
    struct kv_entry *top = *link;
    struct kv_entry *child = right ? top->right : top->left;
    if (right) {
        top->right = child->left;
        child->left = top;
    } else {
        top->left = child->right;
        child->right = top;
    }
    *link = child;
}

/* `*link` is two higher on the side `right`; returns true when the rotation made the subtree one lower. */
static bool restore_balance(struct kv_entry **link, bool right)
{
    unsigned high = right ? RIGHT_HIGH : LEFT_HIGH;
    unsigned low = right ? LEFT_HIGH : RIGHT_HIGH;
    struct kv_entry *top = *link;
    struct kv_entry *child = right ? top->right : top->left;
    if (child->tilt == low) { /* the inner grandchild is the high one: double rotation */
        struct kv_entry *inner = right ? child->left : child->right;
        rotate(right ? &top->right : &top->left, !right);
        rotate(link, right);
        top->tilt = (inner->tilt == high ? low : LEVEL) & 3u;
        child->tilt = (inner->tilt == low ? high : LEVEL) & 3u;
        inner->tilt = LEVEL;
        return true;
    }
    bool lower = child->tilt == high;
    rotate(link, right);
    top->tilt = (lower ? LEVEL : high) & 3u;
    child->tilt = (lower ? LEVEL : low) & 3u;
    return lower;
}

void kv_index_add(struct kv_index *index, struct kv_entry *entry)
{
    struct path path;
    struct kv_entry **link = path_find(&path, index, entry);
    CHECK(*link == NULL);
    entry->left = entry->right = NULL;
    entry->tilt = LEVEL;
    *link = entry;
    while (path.depth) { /* the subtree below has become one higher */
        path.depth--;
        bool right = path.right[path.depth];
        struct kv_entry *above = *path.link[path.depth];
        if (above->tilt == (right ? RIGHT_HIGH : LEFT_HIGH)) {
            restore_balance(path.link[path.depth], right);
            return;
        }
        above->tilt = (right ? above->tilt + 1u : above->tilt - 1u) & 3u;
        if (above->tilt == LEVEL)
            return;
    }
}

/* Puts the successor of the entry at `link` in its place; `path` then leads to where the successor was. */
static void replace_by_successor(struct path *path, struct kv_entry **link)
{
    struct kv_entry *entry = *link;
    uint32_t at = path->depth;
    path_push(path, link, true);
    struct kv_entry **down = &entry->right;
    while ((*down)->left) {
        path_push(path, down, false);
        down = &(*down)->left;
    }
    struct kv_entry *successor = *down;
    *down = successor->right;
    successor->left = entry->left;
    successor->right = entry->right;
    successor->tilt = entry->tilt;
    *link = successor;
    if (path->depth > at + 1) /* the link below lay in the entry, and lies in its successor now */
        path->link[at + 1] = &successor->right;
}

void kv_index_remove(struct kv_index *index, struct kv_entry *entry)
{
    struct path path;
    struct kv_entry **link = path_find(&path, index, entry);
    CHECK(*link == entry);
    if (entry->left && entry->right)
        replace_by_successor(&path, link);
    else
        *link = entry->left ? entry->left : entry->right;
    while (path.depth) { /* the subtree below has become one lower */
        path.depth--;
        bool right = path.right[path.depth];
        struct kv_entry *above = *path.link[path.depth];
        if (above->tilt == (right ? LEFT_HIGH : RIGHT_HIGH)) {
            if (!restore_balance(path.link[path.depth], !right))
                return;
            continue;
        }
        above->tilt = (right ? above->tilt - 1u : above->tilt + 1u) & 3u;
        if (above->tilt != LEVEL)
            return;
    }
}

static void cursor_push(struct kv_cursor *cursor, const struct kv_entry *entry)
{
    CHECK(cursor->depth < KV_INDEX_DEPTH);
    cursor->above[cursor->depth++] = entry;
}

static void cursor_pop(struct kv_cursor *cursor)
{
    cursor->next = cursor->depth ? cursor->above[--cursor->depth] : NULL;
}

void kv_cursor_seek(struct kv_cursor *cursor, const struct kv_index *index, struct slice key, bool beyond)
{
    cursor->depth = 0;
    for (const struct kv_entry *entry = index->root; entry;) {
        int order = key.len ? kv_key_compare(key.data, key.len, entry->key, entry->key_len) : -1;
        if (order < 0 || (order == 0 && !beyond)) {
            cursor_push(cursor, entry);
            entry = entry->left;
        } else {
            entry = entry->right;
        }
    }
    cursor_pop(cursor);
}

void kv_cursor_advance(struct kv_cursor *cursor)
{
    for (const struct kv_entry *entry = cursor->next->right; entry; entry = entry->left)
        cursor_push(cursor, entry);
    cursor_pop(cursor);
}

void kv_cursor_seek_down(struct kv_cursor *cursor, const struct kv_index *index, struct slice key)
{
    cursor->depth = 0;
    for (const struct kv_entry *entry = index->root; entry;) {
        int order = key.len ? kv_key_compare(key.data, key.len, entry->key, entry->key_len) : 1;
        if (order > 0) {
            cursor_push(cursor, entry);
            entry = entry->right;
        } else {
            entry = entry->left;
        }
    }
    cursor_pop(cursor);
}

void kv_cursor_retreat(struct kv_cursor *cursor)
{
    for (const struct kv_entry *entry = cursor->next->left; entry; entry = entry->right)
        cursor_push(cursor, entry);
    cursor_pop(cursor);
}

/* Heights are computed bottom-up over an explicit stack: a node is visited again when its children are done. */
uint64_t kv_index_validate(const struct kv_index *index)
{
    struct {
        const struct kv_entry *entry;
        int left;
        int stage;
    } stack[KV_INDEX_DEPTH];
    const struct kv_entry *before = NULL;
    uint32_t depth = 0;
    uint64_t count = 0;
    int height = 0; /* of the subtree that was finished last */
    stack[0].entry = index->root;
    stack[0].stage = 0;
    depth = index->root ? 1 : 0;
    while (depth) {
        const struct kv_entry *entry = stack[depth - 1].entry;
        const struct kv_entry *child = stack[depth - 1].stage == 0 ? entry->left : entry->right;
        if (stack[depth - 1].stage == 1) {
            stack[depth - 1].left = height;
            CHECK(!before || kv_key_compare(before->key, before->key_len, entry->key, entry->key_len) < 0);
            before = entry;
            count++;
        } else if (stack[depth - 1].stage == 2) {
            int left = stack[depth - 1].left;
            CHECK(height - left + 1 == (int)entry->tilt);
            height = 1 + (height > left ? height : left);
            depth--;
            continue;
        }
        stack[depth - 1].stage++;
        height = 0;
        if (child) {
            CHECK(depth < KV_INDEX_DEPTH);
            stack[depth].entry = child;
            stack[depth].stage = 0;
            depth++;
        }
    }
    return count;
}
