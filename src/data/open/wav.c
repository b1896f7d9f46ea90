/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * WAV by libsndfile, from memory. The chunks are looked at before, because libsndfile takes what is there of a
 * truncated file, and because it would recognise other formats. */
#include "data/open/files.h"

#if QND_SNDFILE

#include <math.h>
#include <sndfile.h>
#include <string.h>

struct bytes {
    const unsigned char *data;
    sf_count_t bytes, at;
};

static sf_count_t get_length(void *user)
{
    return ((struct bytes *)user)->bytes;
}

static sf_count_t seek(sf_count_t offset, int whence, void *user)
{
    struct bytes *b = user;
    const sf_count_t from = whence == SEEK_CUR ? b->at : whence == SEEK_END ? b->bytes : 0;

    if (offset > b->bytes - from)
        b->at = b->bytes;
    else
        b->at = offset < -from ? 0 : from + offset;
    return b->at;
}

static sf_count_t read_bytes(void *to, sf_count_t bytes, void *user)
{
    struct bytes *b = user;
    const sf_count_t n = bytes < b->bytes - b->at ? bytes : b->bytes - b->at;

    if (n <= 0)
        return 0;
    memcpy(to, b->data + b->at, (size_t)n);
    b->at += n;
    return n;
}

static sf_count_t tell(void *user)
{
    return ((struct bytes *)user)->at;
}

static uint32_t number(const unsigned char *p, bool big)
{
    return big ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]
               : (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

/* From chunk to chunk up to the samples, which must be whole. */
static qn_status check_chunks(const char *name, const unsigned char *data, size_t bytes)
{
    const bool big = bytes >= 4 && memcmp(data, "RIFX", 4) == 0;
    size_t at = 12;

    if (bytes < 12 || (!big && memcmp(data, "RIFF", 4) != 0) || memcmp(data + 8, "WAVE", 4) != 0)
        return qnd_error(QN_E_FORMAT, "%s: not a WAV file: does not begin with RIFF and WAVE", name);
    while (bytes - at >= 8) {
        const size_t length = number(data + at + 4, big), left = bytes - at - 8;

        if (memcmp(data + at, "data", 4) == 0) {
            if (length > left)
                return qnd_error(QN_E_FORMAT, "%s: truncated: the header announces %zu bytes of samples, found %zu", name,
                                 length, left);
            return QN_OK;
        }
        if (length >= left)
            break;
        at += 8 + length + length % 2;
        if (at > bytes)
            break;
    }
    return qnd_error(QN_E_FORMAT, "%s: truncated: the WAV file has no samples", name);
}

static qn_status read_samples(qn_sound **out, qn_context *ctx, const char *name, SNDFILE *file, const SF_INFO *about,
                              int64_t max_samples)
{
    sf_count_t got;
    qn_status st;

    if (about->frames < 0 || about->channels < 1 || about->frames > max_samples / about->channels)
        return qnd_error(QN_E_FORMAT, "%s: %lld frames of %d channels, the limit is %lld samples", name,
                         (long long)about->frames, about->channels, (long long)max_samples);
    if (about->samplerate < 1 || about->samplerate > QN_SOUND_MOST_RATE || about->channels > 1024)
        return qnd_error(QN_E_FORMAT, "%s: %d channels at %d frames a second", name, about->channels, about->samplerate);
    if ((st = qn_sound_create(out, ctx, about->frames, about->channels, about->samplerate)))
        return st;
    got = sf_readf_float(file, (*out)->sample, about->frames);
    if (got != about->frames)
        return qnd_error(QN_E_FORMAT, "%s: damaged: %lld frames are announced, found %lld", name, (long long)about->frames,
                         (long long)got);
    for (int64_t i = 0; i < about->frames * about->channels; i++)
        if (!isfinite((*out)->sample[i]))
            return qnd_error(QN_E_FORMAT, "%s: sample %lld is not finite", name, (long long)i);
    return QN_OK;
}

qn_status qnd_decode_wav(qn_sound **out, qn_context *ctx, const char *name, const unsigned char *data, size_t bytes,
                         int64_t max_samples)
{
    SF_VIRTUAL_IO io = {get_length, seek, read_bytes, NULL, tell};
    struct bytes b = {data, (sf_count_t)bytes, 0};
    SF_INFO about = {0};
    SNDFILE *file;
    qn_status st;

    *out = NULL;
    if ((st = check_chunks(name, data, bytes)))
        return st;
    if (!(file = sf_open_virtual(&io, SFM_READ, &about, &b)))
        return qnd_error(QN_E_FORMAT, "%s: damaged WAV: %.200s", name, sf_strerror(NULL));
    st = read_samples(out, ctx, name, file, &about, max_samples);
    sf_close(file);
    if (st)
        qn_sound_destroy(out);
    return st;
}

#else

qn_status qnd_decode_wav(qn_sound **out, qn_context *ctx, const char *name, const unsigned char *data, size_t bytes,
                         int64_t max_samples)
{
    (void)out, (void)ctx, (void)data, (void)bytes, (void)max_samples;
    return qnd_error(QN_E_UNSUPPORTED, "%s: WAV, but libquern-data was built without libsndfile", name);
}

#endif
