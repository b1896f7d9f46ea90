/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What cl/common/act.clh can do: the host's side of an epilogue. */
#ifndef QNI_ACT_H
#define QNI_ACT_H

#include <quern/op.h>

#include "base/base.h"

/* Does the activation work element by element? Then every epilogue may have it. */
static inline bool qni_act_pointwise(int act)
{
    return act >= QN_LINEAR && act < QN_SOFTMAX;
}

/* Is its derivative a function of its result, so that an epilogue may have it as act_grad? */
static inline bool qni_act_by_result(int act, float alpha)
{
    static const bool by_result[] = {
        [QN_LINEAR] = true, [QN_RELU] = true,     [QN_LEAKY_RELU] = true, [QN_RELU6] = true,
        [QN_ELU] = true,    [QN_SELU] = true,     [QN_SIGMOID] = true,    [QN_HARD_SIGMOID] = true,
        [QN_TANH] = true,   [QN_SOFTPLUS] = true, [QN_SOFTSIGN] = true,   [QN_EXPONENTIAL] = true,
    };

    return act >= 0 && act < (int)QNI_COUNT(by_result) && by_result[act] &&
           (alpha >= 0 || (act != QN_LEAKY_RELU && act != QN_ELU));
}

#endif
