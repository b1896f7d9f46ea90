/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "data/text/text.h"

int qni_utf8_decode(const unsigned char *bytes, size_t n, uint32_t *point)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    const int more = bytes[0] < 0x80 ? 0 : bytes[0] >> 5 == 6 ? 1 : bytes[0] >> 4 == 14 ? 2 : bytes[0] >> 3 == 30 ? 3 : -1;
    uint32_t c = bytes[0] & (more > 0 ? 0x3fu >> more : 0x7fu);

    if (more < 0 || (size_t)more >= n || bytes[0] == 0)
        return 0;
    for (int i = 1; i <= more; i++) {
        if (bytes[i] >> 6 != 2)
            return 0;
        c = c << 6 | (bytes[i] & 0x3f);
    }
    if (c < least[more + 1] || c > QNI_LAST_POINT || (c >= 0xd800 && c < 0xe000))
        return 0;
    *point = c;
    return more + 1;
}

int qni_utf8_encode(uint32_t c, char *out)
{
    const int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;

    if (!more) {
        out[0] = (char)c;
        return 1;
    }
    out[0] = (char)(0xff << (7 - more) | (int)(c >> 6 * more));
    for (int i = 1; i <= more; i++)
        out[i] = (char)(0x80 | (c >> 6 * (more - i) & 0x3f));
    return more + 1;
}

qn_status qni_utf8_check(const char *name, const char *text, size_t bytes)
{
    uint32_t point;

    for (size_t at = 0, used; at < bytes; at += used)
        if (!(used = (size_t)qni_utf8_decode((const unsigned char *)text + at, bytes - at, &point)))
            return qni_error(QN_E_FORMAT, "%s: byte %zu is %s", name, at, text[at] ? "not UTF-8" : "zero: not a text");
    return QN_OK;
}
