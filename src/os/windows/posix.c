/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#define WIN32_LEAN_AND_MEAN
#include <errno.h>
#include <io.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <windows.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* A lock keeps others from reading and writing what it covers: so it covers a byte that no file has. */
#define LOCKED_BYTE 0x7fffffff

static const struct {
    DWORD windows;
    int posix;
} errors[] = {
    { ERROR_FILE_NOT_FOUND, ENOENT },      { ERROR_PATH_NOT_FOUND, ENOENT },    { ERROR_INVALID_NAME, ENOENT },
    { ERROR_ACCESS_DENIED, EACCES },       { ERROR_SHARING_VIOLATION, EACCES }, { ERROR_LOCK_VIOLATION, EWOULDBLOCK },
    { ERROR_IO_PENDING, EWOULDBLOCK },     { ERROR_FILE_EXISTS, EEXIST },       { ERROR_ALREADY_EXISTS, EEXIST },
    { ERROR_DISK_FULL, ENOSPC },           { ERROR_HANDLE_DISK_FULL, ENOSPC },  { ERROR_INVALID_HANDLE, EBADF },
    { ERROR_NOT_ENOUGH_MEMORY, ENOMEM },   { ERROR_WRITE_PROTECT, EROFS },
};

/* errno for the last error, and -1. */
static int failed(void)
{
    const DWORD e = GetLastError();

    errno = EIO;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        if (errors[i].windows == e)
            errno = errors[i].posix;
    return -1;
}

static HANDLE handle(int fd)
{
    return (HANDLE)_get_osfhandle(fd);
}

/* ---- files ---- */

int qni_open(const char *path, int flags, ...)
{
    const int access = flags & (O_RDONLY | O_WRONLY | O_RDWR);
    DWORD how = OPEN_EXISTING;
    HANDLE h;
    int fd;

    if (flags & O_CREAT)
        how = flags & O_EXCL ? CREATE_NEW : flags & O_TRUNC ? CREATE_ALWAYS : OPEN_ALWAYS;
    else if (flags & O_TRUNC)
        how = TRUNCATE_EXISTING;
    h = CreateFileA(path, access == O_RDONLY ? GENERIC_READ | FILE_WRITE_ATTRIBUTES : access == O_WRONLY ? GENERIC_WRITE
                                             : GENERIC_READ | GENERIC_WRITE,
                    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, how, FILE_ATTRIBUTE_NORMAL, NULL);
    if (h == INVALID_HANDLE_VALUE && access == O_RDONLY) /* a file whose times may not be set */
        h = CreateFileA(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, how,
                        FILE_ATTRIBUTE_NORMAL, NULL);
    if (h == INVALID_HANDLE_VALUE)
        return failed();
    fd = _open_osfhandle((intptr_t)h, flags & (_O_BINARY | _O_NOINHERIT | _O_APPEND | O_RDONLY));
    if (fd < 0)
        CloseHandle(h);
    return fd;
}

int qni_rename(const char *from, const char *to)
{
    return MoveFileExA(from, to, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH) ? 0 : failed();
}

/* 100 ns since 1601 as POSIX counts. */
static struct timespec time_of(FILETIME t)
{
    const int64_t ticks = ((int64_t)t.dwHighDateTime << 32 | t.dwLowDateTime) - INT64_C(116444736000000000);

    return (struct timespec){ .tv_sec = ticks / 10000000, .tv_nsec = (long)(ticks % 10000000) * 100 };
}

static int describe(HANDLE h, struct qni_stat *out)
{
    BY_HANDLE_FILE_INFORMATION about;

    memset(out, 0, sizeof(*out));
    if (GetFileType(h) != FILE_TYPE_DISK) {
        out->st_mode = _S_IFCHR;
        return 0;
    }
    if (!GetFileInformationByHandle(h, &about))
        return failed();
    out->st_mode = about.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY ? _S_IFDIR : _S_IFREG;
    out->st_dev = about.dwVolumeSerialNumber;
    out->st_ino = (uint64_t)about.nFileIndexHigh << 32 | about.nFileIndexLow;
    out->st_size = (int64_t)about.nFileSizeHigh << 32 | about.nFileSizeLow;
    out->st_mtim = time_of(about.ftLastWriteTime);
    out->st_mtime = out->st_mtim.tv_sec;
    return 0;
}

int qni_fstat(int fd, struct qni_stat *out)
{
    return describe(handle(fd), out);
}

int qni_stat(const char *path, struct qni_stat *out)
{
    HANDLE h = CreateFileA(path, 0, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, OPEN_EXISTING,
                           FILE_FLAG_BACKUP_SEMANTICS, NULL); /* folders too */
    int result;

    if (h == INVALID_HANDLE_VALUE)
        return failed();
    result = describe(h, out);
    CloseHandle(h);
    return result;
}

int qni_futimens(int fd, const struct timespec times[2])
{
    FILETIME now;

    (void)times;
    GetSystemTimeAsFileTime(&now);
    return SetFileTime(handle(fd), NULL, &now, &now) ? 0 : failed();
}

int qni_mkdir(const char *path)
{
    const DWORD about = GetFileAttributesA(path);

    if (about != INVALID_FILE_ATTRIBUTES && about & FILE_ATTRIBUTE_DIRECTORY) { /* of drives too */
        errno = EEXIST;
        return -1;
    }
    return CreateDirectoryA(path, NULL) ? 0 : failed();
}

int qni_flock(int fd, int how)
{
    OVERLAPPED at = { .OffsetHigh = LOCKED_BYTE };
    const DWORD flags = (how & LOCK_EX ? LOCKFILE_EXCLUSIVE_LOCK : 0) | (how & LOCK_NB ? LOCKFILE_FAIL_IMMEDIATELY : 0);

    return LockFileEx(handle(fd), flags, 0, 1, 0, &at) ? 0 : failed();
}

int qni_ftruncate(int fd, int64_t bytes)
{
    FILE_END_OF_FILE_INFO end = { .EndOfFile.QuadPart = bytes };

    return SetFileInformationByHandle(handle(fd), FileEndOfFileInfo, &end, sizeof(end)) ? 0 : failed();
}

static OVERLAPPED place(int64_t offset)
{
    return (OVERLAPPED){ .Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32) };
}

static unsigned at_most(size_t bytes)
{
    return bytes > INT32_MAX ? INT32_MAX : (unsigned)bytes;
}

ssize_t qni_pread(int fd, void *to, size_t bytes, int64_t offset)
{
    OVERLAPPED at = place(offset);
    DWORD n = 0;

    if (!ReadFile(handle(fd), to, at_most(bytes), &n, &at) && GetLastError() != ERROR_HANDLE_EOF)
        return failed();
    return (ssize_t)n;
}

ssize_t qni_pwrite(int fd, const void *from, size_t bytes, int64_t offset)
{
    OVERLAPPED at = place(offset);
    DWORD n = 0;

    if (!WriteFile(handle(fd), from, at_most(bytes), &n, &at))
        return failed();
    return (ssize_t)n;
}

long qni_sysconf(int name)
{
    SYSTEM_INFO system;

    (void)name;
    GetSystemInfo(&system);
    return (long)system.dwNumberOfProcessors;
}

/* ---- folders ---- */

struct qni_dir {
    qni_system_dir *dir;
    char path[MAX_PATH];
};

#undef opendir
#undef readdir
#undef closedir

DIR *qni_opendir(const char *path)
{
    struct qni_dir *d = strlen(path) < MAX_PATH ? LocalAlloc(LPTR, sizeof(*d)) : NULL;

    if (d && (d->dir = opendir(path))) {
        strcpy(d->path, path);
        return d;
    }
    LocalFree(d);
    return NULL;
}

struct dirent *qni_readdir(DIR *d)
{
    return readdir(d->dir);
}

int qni_closedir(DIR *d)
{
    const int result = closedir(d->dir);

    LocalFree(d);
    return result;
}

static const char *path_in(const struct qni_dir *d, const char *name, char path[2 * MAX_PATH])
{
    snprintf(path, 2 * MAX_PATH, "%s/%s", d->path, name);
    return path;
}

int qni_stat_in(DIR *d, const char *name, struct qni_stat *out)
{
    char path[2 * MAX_PATH];

    return qni_stat(path_in(d, name, path), out);
}

int qni_unlink_in(DIR *d, const char *name)
{
    char path[2 * MAX_PATH];

    return _unlink(path_in(d, name, path));
}

/* ---- the environment, and text ---- */

int qni_setenv(const char *name, const char *value, int replace)
{
    return !replace && getenv(name) ? 0 : _putenv_s(name, value) ? -1 : 0;
}

int qni_unsetenv(const char *name)
{
    return _putenv_s(name, "") ? -1 : 0;
}

char *qni_strcasestr(const char *in, const char *what)
{
    const size_t n = strlen(what);

    for (; *in; in++)
        if (!_strnicmp(in, what, n))
            return (char *)in;
    return n ? NULL : (char *)in;
}

/* ---- libraries ---- */

static _Thread_local char trouble[256];

static void *note(void *result, const char *name)
{
    trouble[0] = '\0';
    if (!result)
        snprintf(trouble, sizeof(trouble), "%s: error %lu", name, (unsigned long)GetLastError());
    return result;
}

void *qni_dlopen(const char *name, int flags)
{
    HMODULE library = LoadLibraryA(name), pinned;

    if (library && flags)
        GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_PIN, name, &pinned);
    return note((void *)library, name);
}

void *qni_dlsym(void *library, const char *name)
{
    FARPROC symbol = GetProcAddress((HMODULE)library, name);
    void *result;

    memcpy(&result, &symbol, sizeof(result));
    return note(result, name);
}

int qni_dlclose(void *library)
{
    return FreeLibrary((HMODULE)library) ? 0 : failed();
}

const char *qni_dlerror(void)
{
    return *trouble ? trouble : NULL;
}
