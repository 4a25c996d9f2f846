// The floor of every task on a BGZF file: inflate each block with libdeflate and check its CRC32, on THREADS threads.
//   floor THREADS FILE      prints the inflated bytes
#include <fcntl.h>
#include <libdeflate.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_BLOCK = 65536, HEADER = 18, TRAILER = 8, MAX_THREADS = 64 };

static const unsigned char *file;
static size_t *offsets, blocks;
static int threads;

static uint32_t u32(const unsigned char *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static uint16_t u16(const unsigned char *p) { uint16_t v; memcpy(&v, p, 2); return v; }

static void fail(const char *why) { fprintf(stderr, "floor: %s\n", why); exit(1); }

// Each thread has one run of blocks: nothing is handed over, nothing is put in order.
static void *work(void *argument) {
  size_t thread = (size_t)argument, total = 0;
  struct libdeflate_decompressor *decompressor = libdeflate_alloc_decompressor();
  unsigned char *out = malloc(MAX_BLOCK);
  if (!decompressor || !out) fail("no memory");
  for (size_t i = blocks * thread / threads; i < blocks * (thread + 1) / threads; i++) {
    const unsigned char *block = file + offsets[i];
    size_t size = u16(block + 16) + 1u, data = 12u + u16(block + 10), inflated;
    const unsigned char *trailer = block + size - TRAILER;
    if (size < data + TRAILER ||
        libdeflate_deflate_decompress(decompressor, block + data, size - data - TRAILER, out, MAX_BLOCK, &inflated) ||
        inflated != u32(trailer + 4))
      fail("broken block");
    if (libdeflate_crc32(0, out, inflated) != u32(trailer)) fail("checksum differs");
    total += inflated;
  }
  return (void *)total;
}

int main(int count, char **arguments) {
  if (count != 3) fail("usage: floor THREADS FILE");
  threads = atoi(arguments[1]);
  if (threads < 1 || threads > MAX_THREADS) fail("1 to 64 threads");
  int descriptor = open(arguments[2], O_RDONLY);
  struct stat status;
  if (descriptor < 0 || fstat(descriptor, &status)) fail("cannot open the file");
  size_t length = status.st_size;
  file = mmap(0, length, PROT_READ, MAP_PRIVATE | MAP_POPULATE, descriptor, 0);
  offsets = malloc((length / (HEADER + TRAILER) + 1) * sizeof *offsets);
  if (file == MAP_FAILED || !offsets) fail("no memory");
  for (size_t at = 0; at < length; at += u16(file + at + 16) + 1u) {
    // BGZF as every writer makes it: BC is the first extra field.
    if (length - at < HEADER + TRAILER || file[at] != 0x1f || file[at + 12] != 'B' || file[at + 13] != 'C' ||
        length - at < u16(file + at + 16) + 1u)
      fail("not BGZF");
    offsets[blocks++] = at;
  }
  pthread_t ids[MAX_THREADS];
  size_t total = 0;
  for (long i = 0; i < threads; i++)
    if (pthread_create(ids + i, 0, work, (void *)i)) fail("no thread");
  for (int i = 0; i < threads; i++) {
    void *part;
    pthread_join(ids[i], &part);
    total += (size_t)part;
  }
  printf("%zu\n", total);
}
