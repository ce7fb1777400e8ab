#include "troxy/waiting.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"

int waiting_add(struct waiting *waiting, struct waiting_budget *budget, const struct waiting_op *head,
                const struct slice *parts, unsigned count)
{
    size_t len = 0;
    for (unsigned i = 0; i < count; i++)
        len += parts[i].len;
    if (len > OP_MAX)
        return -EMSGSIZE;
    if (budget->ops >= WAITING_OPS_MAX || budget->bytes + len > WAITING_BYTES_MAX)
        return -EAGAIN;
    struct waiting_op *op = arena_alloc(budget->arena, sizeof *op + len);
    if (!op)
        return -EAGAIN;
    *op = *head;
    op->next = NULL;
    op->life = budget->life[head->connection];
    op->len = (uint32_t)len;
    size_t at = 0;
    for (unsigned i = 0; i < count; i++) {
        if (parts[i].len)
            memcpy(op->data + at, parts[i].data, parts[i].len);
        at += parts[i].len;
    }
    if (waiting->last)
        waiting->last->next = op;
    else
        waiting->first = op;
    waiting->last = op;
    budget->ops++;
    budget->bytes += len;
    return 0;
}

struct waiting_op *waiting_take(struct waiting *waiting)
{
    struct waiting_op *op = waiting->first;
    if (!op)
        return NULL;
    waiting->first = op->next;
    if (!waiting->first)
        waiting->last = NULL;
    op->next = NULL;
    return op;
}

void waiting_free(struct waiting_budget *budget, struct waiting_op *op)
{
    CHECK(budget->ops > 0 && budget->bytes >= op->len);
    budget->ops--;
    budget->bytes -= op->len;
    arena_free(budget->arena, op, sizeof *op + op->len);
}
