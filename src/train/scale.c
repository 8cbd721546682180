/* The factor of the loss in fp16, whose numbers end at 65504 and lose bits below 6e-5: gradients
 * are computed so many times too large, and the update divides by it (Micikevicius et al. 2018,
 * "Mixed Precision Training"; PyTorch's torch.amp.GradScaler). All of it is a function of the steps
 * so far, so a run that is resumed, and every rank of one, has the same. */
#include "train/train.h"

static const double FIRST = 65536, BACKOFF = 0.5, GROWTH = 2;
enum { GOOD_STEPS = 2000 }; /* before it grows */

void bcl_loss_scale_begin(bcl_train_state *s, double first) {
    if (!(s->loss_scale > 0))
        s->loss_scale = first > 0 ? first : FIRST;
}

bool bcl_loss_scale_take(bcl_train_state *s, bool finite) {
    if (finite) {
        if (++s->scale_steps == GOOD_STEPS) {
            s->loss_scale *= GROWTH;
            s->scale_steps = 0;
        }
        return true;
    }
    if (s->loss_scale <= 1)
        return false;
    s->loss_scale = s->loss_scale * BACKOFF > 1 ? s->loss_scale * BACKOFF : 1;
    s->scale_steps = 0;
    s->skipped_steps++;
    return true;
}
