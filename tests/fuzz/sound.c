/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A WAV file. */
#include <string.h>

#include <quern/data_files.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const qn_sound_read_opt opt = {.context = fuzz_context(), .max_samples = 1 << 20};
    qn_sound *sound = NULL, *mono = NULL;
    qn_status st = qn_sound_decode(&sound, "sound", data, bytes, &opt);

    if (st) {
        fuzz_check(!sound, "an error and a recording");
        fuzz_check(*qn_last_error() && !strchr(qn_last_error(), '\n'), "an error without a line of message");
        return 0;
    }
    fuzz_check(qn_sound_convert(&mono, opt.context, sound, 0) == QN_OK, "accepted, but cannot be used");
    qn_sound_destroy(&mono);
    qn_sound_destroy(&sound);
    return 0;
}
