/* Loaded in front of the C library: a clock that is wrong, and a disk that keeps only what was synced.
 *
 * JUDEN_SHIM_CLOCK_S   seconds that the system's clock is ahead
 * JUDEN_SHIM_UNDO      a file that gets, before each write to a database or its log, what was there before; a sync of
 *                      the file ends what could be undone. After a kill the test plays it backwards: power is lost.
 *
 * A record: the path's length, the path, the kind, the offset, the length, the file's size before, and what was there.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static int undo = -1;

int clock_gettime(clockid_t which, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int answer = real(which, now);
    const char *ahead = getenv("JUDEN_SHIM_CLOCK_S");
    if (answer == 0 && which == CLOCK_REALTIME && ahead) now->tv_sec += atol(ahead);
    return answer;
}

/* The path of a database's file or its log; 0: another file. */
static int kept(int fd, char *path, size_t room) {
    const char *where = getenv("JUDEN_SHIM_UNDO");
    if (!where) return 0;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, room - 1);
    if (length < 4) return 0;
    path[length] = 0;
    if (strcmp(path + length - 3, ".db") && strcmp(path + length - 4, "-wal")) return 0;
    if (undo < 0) undo = open(where, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    return undo >= 0;
}

static void note(const char *path, char kind, int64_t offset, int64_t length, int fd) {
    struct stat before = {0};
    if (fd >= 0) fstat(fd, &before);
    int64_t there = kind == 'w' || kind == 't' ? before.st_size - offset : 0;
    if (there > length) there = length;
    if (there < 0) there = 0;
    int64_t path_length = (int64_t)strlen(path), size = before.st_size;
    size_t all = 8 + path_length + 1 + 8 + 8 + 8 + there;
    char *record = malloc(all), *at = record;
    memcpy(at, &path_length, 8), at += 8;
    memcpy(at, path, path_length), at += path_length;
    *at++ = kind;
    memcpy(at, &offset, 8), at += 8;
    memcpy(at, &there, 8), at += 8;
    memcpy(at, &size, 8), at += 8;
    if (there && pread(fd, at, there, offset) != there) abort();
    if (write(undo, record, all) != (ssize_t)all) abort();
    free(record);
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    REAL(pwrite64);
    char path[4096];
    if (!kept(fd, path, sizeof path)) return real(fd, bytes, length, offset);
    pthread_mutex_lock(&turn);
    note(path, 'w', offset, (int64_t)length, fd);
    ssize_t answer = real(fd, bytes, length, offset);
    pthread_mutex_unlock(&turn);
    return answer;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return pwrite64(fd, bytes, length, offset); }

int ftruncate64(int fd, off64_t length) {
    REAL(ftruncate64);
    char path[4096];
    if (!kept(fd, path, sizeof path)) return real(fd, length);
    pthread_mutex_lock(&turn);
    note(path, 't', length, INT64_MAX, fd);
    int answer = real(fd, length);
    pthread_mutex_unlock(&turn);
    return answer;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

static int synced(int fd, int (*real)(int)) {
    char path[4096];
    if (!kept(fd, path, sizeof path)) return real(fd);
    /* What is written while it syncs may or may not be on the disk: only what was written before is. */
    pthread_mutex_lock(&turn);
    int answer = real(fd);
    if (answer == 0) note(path, 's', 0, 0, -1);
    pthread_mutex_unlock(&turn);
    return answer;
}

int fsync(int fd) {
    REAL(fsync);
    return synced(fd, real);
}

int fdatasync(int fd) {
    REAL(fdatasync);
    return synced(fd, real);
}
