/* Token classification's loss. label < 0: the token does not count. */

/* row_loss (T) = -log softmax(logits)[label], 0 where ignored; predicted (T) = argmax, the first of
 * equals; dlogits (T,K) = weight (softmax - onehot), 0 where ignored. One item a token. */
__kernel void cross_entropy(__global float *restrict row_loss, __global int *restrict predicted,
                            __global float *restrict dlogits, __global const float *logits,
                            __global const int *labels, int T, int K, float weight, int gradient) {
    const int t = get_global_id(0);
    if (t >= T)
        return;
    const size_t row = (size_t)t * K;
    const int label = labels[t];
    int best = 0;
    for (int k = 1; k < K; k++)
        if (logits[row + k] > logits[row + best])
            best = k;
    const float m = logits[row + best];
    float sum = 0;
    for (int k = 0; k < K; k++)
        sum += exp(logits[row + k] - m);
    row_loss[t] = label < 0 ? 0.0f : log(sum) - (logits[row + label] - m);
    predicted[t] = best;
    if (gradient)
        for (int k = 0; k < K; k++)
            dlogits[row + k] =
                label < 0 ? 0.0f
                          : weight * (exp(logits[row + k] - m) / sum - (k == label ? 1.0f : 0.0f));
}

/* The same with a weight for each label and label smoothing, as PyTorch's CrossEntropyLoss sums
 * them: the target of label k is a = (1 - smoothing) w[label] onehot + smoothing / K w, row_loss
 * (T) = -sum a log softmax(logits), dlogits (T,K) = weight (sum(a) softmax - a). w = class_weights
 * (K). */
__kernel void cross_entropy_weighted(__global float *restrict row_loss,
                                     __global int *restrict predicted,
                                     __global float *restrict dlogits, __global const float *logits,
                                     __global const int *labels,
                                     __global const float *class_weights, int T, int K,
                                     float weight, float smoothing, int gradient) {
    const int t = get_global_id(0);
    if (t >= T)
        return;
    const size_t row = (size_t)t * K;
    const int label = labels[t];
    int best = 0;
    for (int k = 1; k < K; k++)
        if (logits[row + k] > logits[row + best])
            best = k;
    const float m = logits[row + best], each = smoothing / K;
    float sum = 0;
    for (int k = 0; k < K; k++)
        sum += exp(logits[row + k] - m);
    const float log_sum = log(sum);
    const float own = label < 0 ? 0.0f : (1 - smoothing) * class_weights[label];
    float loss = label < 0 ? 0.0f : own * (log_sum - (logits[row + label] - m)), all = own;
    for (int k = 0; k < K && label >= 0; k++) {
        loss += each * class_weights[k] * (log_sum - (logits[row + k] - m));
        all += each * class_weights[k];
    }
    row_loss[t] = loss;
    predicted[t] = best;
    if (gradient)
        for (int k = 0; k < K; k++)
            dlogits[row + k] = label < 0
                                   ? 0.0f
                                   : weight * (all * (exp(logits[row + k] - m) / sum) -
                                               each * class_weights[k] - (k == label ? own : 0.0f));
}

/* stats = { sum of row_loss, number of right labels } (+)=, in a fixed order. One group. */
__kernel void cross_entropy_sum(__global float *restrict stats, __global const float *row_loss,
                                __global const int *predicted, __global const int *labels, int T,
                                int accumulate, __local float *scratch /* 2 items */) {
    const int lid = get_local_id(0), size = get_local_size(0);
    float loss = 0, lost = 0, right = 0; /* Kahan: a long batch in one item must not lose digits */
    for (int t = lid; t < T; t += size) {
        const float y = row_loss[t] - lost, sum = loss + y;
        lost = (sum - loss) - y;
        loss = sum;
        right += labels[t] >= 0 && predicted[t] == labels[t] ? 1.0f : 0.0f;
    }
    scratch[lid] = loss;
    scratch[size + lid] = right;
    for (int n = size / 2; n > 0; n /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lid < n) {
            scratch[lid] += scratch[lid + n];
            scratch[size + lid] += scratch[size + lid + n];
        }
    }
    if (lid == 0) {
        stats[0] = (accumulate ? stats[0] : 0.0f) + scratch[0];
        stats[1] = (accumulate ? stats[1] : 0.0f) + scratch[size];
    }
}
