/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Numbers from text and back, with a point, whatever the locale. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"

#define LONGEST 400 /* the exact value of any double has fewer significant digits than a file should spend */

/* [sign] digits [. digits] [e [sign] digits], at least one digit before or after the point; length of the match. */
static size_t match(const char *s, size_t n)
{
    size_t i = 0, digits, end;

    if (i < n && (s[i] == '-' || s[i] == '+'))
        i++;
    for (digits = i; i < n && s[i] >= '0' && s[i] <= '9'; i++)
        ;
    digits = i - digits;
    if (i < n && s[i] == '.')
        for (i++; i < n && s[i] >= '0' && s[i] <= '9'; i++)
            digits++;
    if (!digits)
        return 0;
    end = i;
    if (i < n && (s[i] == 'e' || s[i] == 'E')) {
        i++;
        if (i < n && (s[i] == '-' || s[i] == '+'))
            i++;
        for (digits = i; i < n && s[i] >= '0' && s[i] <= '9'; i++)
            ;
        if (i > digits)
            end = i;
    }
    return end;
}

/* Up to 15 digits and a small power of ten are exact in a double, and their quotient is rounded once; but not where it is
 * first made as a long double, as by x87. */
static bool short_number(double *out, const char *s, size_t n)
{
    static const double ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    bool minus = *s == '-', point = false;
    int64_t whole = 0;
    int decimals = 0;
    size_t i = *s == '-' || *s == '+';

    if (n - i > 16)
        return false;
    for (; i < n; i++) {
        if (s[i] == '.') {
            point = true;
            continue;
        }
        if (s[i] < '0' || s[i] > '9')
            return false;
        whole = 10 * whole + (s[i] - '0');
        decimals += point;
    }
    if (whole >= INT64_C(1000000000000000) || (decimals && FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 1))
        return false;
    *out = (minus ? -(double)whole : (double)whole) / ten[decimals];
    return true;
}

bool qni_parse_number(const char *s, size_t n, double *out)
{
    char text[LONGEST + 8], point;
    const char *decimal;
    size_t length = 0;

    if (!n || match(s, n) != n || n > LONGEST)
        return false;
    if (short_number(out, s, n))
        return true;
    /* The thread's locale decides which point strtod wants; it may have several bytes. */
    snprintf(text, sizeof(text), "%.1f", 0.5);
    decimal = text + 1;
    point = decimal[0];
    if (point == '.') {
        memcpy(text, s, n);
        length = n;
    } else {
        char mark[8];
        size_t bytes = strlen(text) - 2;

        if (bytes > sizeof(mark))
            return false;
        memcpy(mark, decimal, bytes);
        for (size_t i = 0; i < n; i++) {
            if (s[i] != '.') {
                text[length++] = s[i];
                continue;
            }
            memcpy(text + length, mark, bytes);
            length += bytes;
        }
    }
    text[length] = 0;
    *out = strtod(text, NULL);
    return isfinite(*out);
}

const char *qni_double_text(double v, char *text, size_t bytes)
{
    size_t n = 0;

    if (isnan(v) || isinf(v)) {
        snprintf(text, bytes, "%s", isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity");
        return text;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, bytes, "%.*g", digits, v);
        if (strtod(text, NULL) == v) /* the same locale on both sides */
            break;
    }
    for (const char *c = text; *c; c++) { /* whatever is not part of a number is the locale's point */
        if (strchr("0123456789+-e", *c))
            text[n++] = *c;
        else if (!n || text[n - 1] != '.')
            text[n++] = '.';
    }
    text[n] = 0;
    return text;
}
