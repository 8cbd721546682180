/* What an OpenCL driver lets a kernel do: facts of the device, then small kernels that are built by
 * clBuildProgram, run, and compared with the host. NVIDIA's matrix units and copies are reached by
 * inline PTX; whether they are is what this asks. cc -O2 probe_ptx.c -o probe_ptx -lOpenCL -lm;
 * probe_ptx [--dump FOLDER]  (writes the kernels as .cl files, runs nothing) One line a probe:
 * PASS, FAIL (wrong numbers), NO BUILD (with the log's first line), NO RUN (code). The first GPU of
 * the installed drivers, else the first device. Exit status 1 if a probe marked "needed" is no
 * PASS. */
#define _GNU_SOURCE
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static cl_device_id device;
static cl_context context;
static cl_command_queue queue;
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
static uint16_t bf16(float x) {
    uint32_t u;
    memcpy(&u, &x, 4);
    return (uint16_t)((u + 0x7FFF + (u >> 16 & 1)) >> 16);
}
static uint16_t fp16(float x) { /* small integers and quarters only: exact */
    uint32_t u;
    memcpy(&u, &x, 4);
    if (!(u & 0x7FFFFFFF))
        return 0;
    return (uint16_t)((u >> 16 & 0x8000) | ((u >> 23 & 255) - 112) << 10 | (u >> 13 & 1023));
}

/* Matrices of the products: small quarters, exact in every format. A is m x 16, B is 16 x 8. */
static float a_of(int m, int k) {
    return (float)((m * 7 + k * 5) % 17 - 8) / 4;
}
static float b_of(int k, int n) {
    return (float)((k * 11 + n * 3) % 13 - 6) / 4;
}

/* Every kernel: probe(out, in): `in` has 4096 words as fill() sets them, `out` 4096 words. */
typedef struct probe {
    const char *name, *what, *options, *source;
    int needed, items;
    void (*fill)(uint32_t *in);
    int (*check)(const uint32_t *in, const uint32_t *out); /* wrong words */
} probe;

static float word(uint32_t u) {
    float x;
    memcpy(&x, &u, 4);
    return x;
}
static uint32_t bits(float x) {
    uint32_t u;
    memcpy(&u, &x, 4);
    return u;
}
static void fill_floats(uint32_t *in) {
    for (int i = 0; i < 4096; i++)
        in[i] = bits((float)(i % 61) / 4 - 7);
}
static void fill_numbers(uint32_t *in) {
    for (int i = 0; i < 4096; i++)
        in[i] = 2654435761u * (uint32_t)i;
}
static int check_square(const uint32_t *in, const uint32_t *out) {
    int bad = 0;
    for (int i = 0; i < 64; i++) {
        float x = word(in[i]);
        bad += !(fabsf(word(out[i]) - (x * x + 0.5f)) <= 0.02f * (x * x + 0.5f));
    }
    return bad;
}
static int check_lanes(const uint32_t *in, const uint32_t *out) {
    int bad = 0;
    for (int i = 0; i < 64; i++)
        bad += out[i] != (uint32_t)(i % 32) || out[64 + i] != in[i ^ 5];
    return bad;
}
/* fragments as the PTX manual lays them out: lane l has group g = l / 4 and t = l % 4 */
static void fill_mma16(uint32_t *in, uint16_t (*to)(float)) {
    for (int l = 0; l < 128; l++) { /* four warps: rows 16 w .. */
        const int g = l % 32 / 4, t = l % 4, m = l / 32 * 16;
        for (int r = 0; r < 4; r++) {
            const int row = m + g + 8 * (r % 2), k = 2 * t + 8 * (r / 2);
            in[l * 6 + r] = to(a_of(row, k)) | (uint32_t)to(a_of(row, k + 1)) << 16;
        }
        for (int r = 0; r < 2; r++) {
            const int k = 2 * t + 8 * r;
            in[l * 6 + 4 + r] = to(b_of(k, g)) | (uint32_t)to(b_of(k + 1, g)) << 16;
        }
    }
    for (int n = 0; n < 8; n++)
        for (int k = 0; k < 16; k++) { /* B as core matrices of 8 n by 8 k, for wgmma */
            uint16_t *core = (uint16_t *)(in + 1024);
            core[k / 8 * 64 + n * 8 + k % 8] = to(b_of(k, n));
        }
}
static void fill_bf16(uint32_t *in) {
    fill_mma16(in, bf16);
}
static void fill_fp16(uint32_t *in) {
    fill_mma16(in, fp16);
}
static void fill_tf32(uint32_t *in) {
    for (int l = 0; l < 32; l++) {
        const int g = l / 4, t = l % 4;
        for (int r = 0; r < 4; r++)
            in[l * 6 + r] = bits(a_of(g + 8 * (r % 2), t + 4 * (r / 2)));
        for (int r = 0; r < 2; r++)
            in[l * 6 + 4 + r] = bits(b_of(t + 4 * r, g));
    }
}
static int check_product(const uint32_t *out, int rows, int K) {
    int bad = 0;
    for (int l = 0; l < 2 * rows; l++)
        for (int r = 0; r < 4; r++) {
            const int row = l / 32 * 16 + l % 32 / 4 + 8 * (r / 2), n = 2 * (l % 4) + r % 2;
            double sum = 1;
            for (int k = 0; k < K; k++)
                sum += (double)a_of(row, k) * (double)b_of(k, n);
            bad += !(fabs((double)word(out[l * 4 + r]) - sum) <= 1e-6 * (1 + fabs(sum)));
        }
    return bad;
}
static int check_m16k16(const uint32_t *in, const uint32_t *out) {
    (void)in;
    return check_product(out, 16, 16);
}
static int check_m16k8(const uint32_t *in, const uint32_t *out) {
    (void)in;
    return check_product(out, 16, 8);
}
static int check_m64k16(const uint32_t *in, const uint32_t *out) {
    (void)in;
    return check_product(out, 64, 16);
}
static int check_ldmatrix(const uint32_t *in, const uint32_t *out) {
    const uint16_t *x = (const uint16_t *)in;
    int bad = 0; /* 32 rows of 8 halves: matrix i is rows 8 i .. */
    for (int l = 0; l < 32; l++)
        for (int i = 0; i < 4; i++) {
            const int r = l / 4, c = 2 * (l % 4);
            bad += out[l * 8 + i] !=
                   (x[(8 * i + r) * 8 + c] | (uint32_t)x[(8 * i + r) * 8 + c + 1] << 16);
            bad += out[l * 8 + 4 + i] !=
                   (x[(8 * i + c) * 8 + r] | (uint32_t)x[(8 * i + c + 1) * 8 + r] << 16);
        }
    return bad;
}
static int check_copy(const uint32_t *in, const uint32_t *out) {
    int bad = 0;
    for (int i = 0; i < 512; i++)
        bad += out[i] != (i / 4 % 3 == 2 ? 0 : in[i]);
    return bad;
}
static int check_bf16x2(const uint32_t *in, const uint32_t *out) {
    int bad = 0;
    for (int i = 0; i < 64; i++)
        bad += out[i] != (bf16(word(in[i])) | (uint32_t)bf16(word(in[i + 64])) << 16);
    return bad;
}
static int check_private(const uint32_t *in, const uint32_t *out) {
    int bad = 0;
    for (int i = 0; i < 64; i++) {
        float s = 0;
        for (int j = 0; j < 16; j++)
            s += word(in[i + j]) * (float)(j + 1);
        bad += !(fabsf(word(out[i]) - s) <= 1e-4f * (1 + fabsf(s)));
    }
    return bad;
}
static int check_cas(const uint32_t *in, const uint32_t *out) {
    (void)in;
    return word(out[0]) != 64.0f;
}
static int check_bulk(const uint32_t *in, const uint32_t *out) {
    return memcmp(in, out, 2048) != 0;
}

#define HEAD                                                                                       \
    "__kernel void probe(__global uint *out, __global const uint *in) {\n    const int lid = "     \
    "get_local_id(0);\n"
#define FRAGMENTS                                                                                  \
    "    uint a0 = in[lid * 6], a1 = in[lid * 6 + 1], a2 = in[lid * 6 + 2], a3 = in[lid * 6 + "    \
    "3], b0 = in[lid * 6 + 4], b1 = in[lid * 6 + 5];\n"                                            \
    "    float c0 = 1, c1 = 1, c2 = 1, c3 = 1;\n"
#define OUT4                                                                                       \
    "    out[lid * 4] = as_uint(c0); out[lid * 4 + 1] = as_uint(c1); out[lid * 4 + 2] = "          \
    "as_uint(c2); out[lid * 4 + 3] = as_uint(c3);\n}\n"
#define MMA(shape)                                                                                 \
    "    __asm__ volatile(\"mma.sync.aligned." shape                                               \
    " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\"\n"                                   \
    "                     : \"+f\"(c0), \"+f\"(c1), \"+f\"(c2), \"+f\"(c3) : \"r\"(a0), "          \
    "\"r\"(a1), \"r\"(a2), \"r\"(a3), \"r\"(b0), \"r\"(b1));\n"

static const probe probes[] = {
    {"plain", "multiply and add", "",
     HEAD "    const float x = as_float(in[lid]);\n    out[lid] = as_uint(x * x + 0.5f);\n}\n", 1,
     64, fill_floats, check_square},
    {"half-arithmetic", "half + and *, pragma although the extension is not reported", "",
     "#pragma OPENCL EXTENSION cl_khr_fp16 : enable\n" HEAD
     "    const half x = vload_half(0, (__global const half *)in + lid);\n    const half y = x * x "
     "+ (half)0.5f;\n    out[lid] = as_uint((float)y);\n    out[lid] = as_uint(as_float(in[lid]) * "
     "as_float(in[lid]) + 0.5f);\n    if (isnan((float)y)) out[4095] = 1;\n}\n",
     0, 64, fill_floats, check_square},
    {"vload-half", "vload_half and vstore_half, which are core", "",
     HEAD "    __local ushort h[64];\n    vstore_half(as_float(in[lid]), lid, (__local half "
          "*)h);\n    const float x = vload_half(lid, (__local half *)h);\n    out[lid] = "
          "as_uint(x * x + 0.5f);\n}\n",
     1, 64, fill_floats, check_square},
    {"pragma-unroll", "an array indexed by unrolled loops (see its private bytes: 0 is wanted)", "",
     "#define UNROLL _Pragma(\"unroll\")\n" HEAD
     "    float x[16];\n    UNROLL\n    for (int i = 0; i < 16; i++) x[i] = as_float(in[lid + "
     "i]);\n    float s = 0;\n    UNROLL\n    for (int i = 0; i < 16; i++) s += x[i] * (i + 1);\n  "
     "  out[lid] = as_uint(s);\n}\n",
     0, 64, fill_floats, check_private},
    {"asm", "inline PTX at all: laneid, shfl.sync", "",
     HEAD "    uint l, y;\n    __asm__ volatile(\"mov.u32 %0, %%laneid;\" : \"=r\"(l));\n    "
          "__asm__ volatile(\"shfl.sync.bfly.b32 %0, %1, 5, 31, 0xffffffff;\" : \"=r\"(y) : "
          "\"r\"(in[lid]));\n    out[lid] = l;\n    out[64 + lid] = y;\n}\n",
     1, 64, fill_numbers, check_lanes},
    {"cvt-bf16x2", "two floats to bf16 in one instruction (sm_80)", "",
     HEAD "    uint y;\n    __asm__(\"cvt.rn.bf16x2.f32 %0, %1, %2;\" : \"=r\"(y) : "
          "\"f\"(as_float(in[lid + 64])), \"f\"(as_float(in[lid])));\n    out[lid] = y;\n}\n",
     1, 64, fill_floats, check_bf16x2},
    {"mma-bf16", "mma.sync m16n8k16 bf16, fp32 sums (sm_80)", "",
     HEAD FRAGMENTS MMA("m16n8k16.row.col.f32.bf16.bf16.f32") OUT4, 1, 32, fill_bf16, check_m16k16},
    {"mma-fp16", "mma.sync m16n8k16 fp16, fp32 sums (sm_80)", "",
     HEAD FRAGMENTS MMA("m16n8k16.row.col.f32.f16.f16.f32") OUT4, 0, 32, fill_fp16, check_m16k16},
    {"mma-tf32", "mma.sync m16n8k8 tf32 (sm_80)", "",
     HEAD FRAGMENTS MMA("m16n8k8.row.col.f32.tf32.tf32.f32") OUT4, 1, 32, fill_tf32, check_m16k8},
    {"ldmatrix", "ldmatrix x4 and x4.trans from __local (sm_75)", "",
     HEAD
     "    __local uint4 x[32];\n    x[lid] = ((__global const uint4 *)in)[lid];\n    "
     "barrier(CLK_LOCAL_MEM_FENCE);\n    const uint row = (uint)(size_t)(x + lid);\n    uint "
     "f[8];\n    __asm__ volatile(\"ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, "
     "[%4];\" : \"=r\"(f[0]), \"=r\"(f[1]), \"=r\"(f[2]), \"=r\"(f[3]) : \"r\"(row) : "
     "\"memory\");\n    __asm__ volatile(\"ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 "
     "{%0,%1,%2,%3}, [%4];\" : \"=r\"(f[4]), \"=r\"(f[5]), \"=r\"(f[6]), \"=r\"(f[7]) : \"r\"(row) "
     ": \"memory\");\n    for (int i = 0; i < 8; i++) out[lid * 8 + i] = f[i];\n}\n",
     1, 32, fill_numbers, check_ldmatrix},
    {"cp-async", "cp.async of 16 bytes with zero fill (sm_80)", "",
     HEAD
     "    __local uint4 x[128];\n    __asm__ volatile(\"cp.async.cg.shared.global [%0], [%1], 16, "
     "%2;\" :: \"r\"((uint)(size_t)(x + lid)), \"l\"(in + 4 * lid), \"r\"(lid % 3 == 2 ? 0 : 16) : "
     "\"memory\");\n    __asm__ volatile(\"cp.async.commit_group;\" ::: \"memory\");\n    __asm__ "
     "volatile(\"cp.async.wait_group 0;\" ::: \"memory\");\n    barrier(CLK_LOCAL_MEM_FENCE);\n    "
     "const int other = (lid + 37) % 128;\n    ((__global uint4 *)out)[other] = x[other];\n}\n",
     1, 128, fill_numbers, check_copy},
    {"red-f32", "red.global.add.f32", "",
     HEAD
     "    if (lid == 0) out[0] = 0;\n    barrier(CLK_GLOBAL_MEM_FENCE);\n    __asm__ "
     "volatile(\"red.global.add.f32 [%0], %1;\" :: \"l\"(out), \"f\"(1.0f) : \"memory\");\n}\n",
     0, 64, fill_numbers, check_cas},
    {"bulk-copy", "cp.async.bulk with an mbarrier (sm_90)", "",
     HEAD
     "    __local uint4 x[128];\n    __local ulong bar;\n    const uint b = (uint)(size_t)&bar;\n  "
     "  if (lid == 0) {\n        __asm__ volatile(\"mbarrier.init.shared::cta.b64 [%0], 1;\" :: "
     "\"r\"(b) : \"memory\");\n        __asm__ volatile(\"fence.proxy.async.shared::cta;\" ::: "
     "\"memory\");\n    }\n    barrier(CLK_LOCAL_MEM_FENCE);\n    if (lid == 0) {\n        __asm__ "
     "volatile(\"mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], 2048;\" :: \"r\"(b) : "
     "\"memory\");\n        __asm__ "
     "volatile(\"cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], "
     "2048, [%2];\" :: \"r\"((uint)(size_t)x), \"l\"(in), \"r\"(b) : \"memory\");\n    }\n    for "
     "(int tries = 0, done = 0; tries < 100000 && !done; tries++)\n        __asm__ volatile(\"{ "
     ".reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], 0; selp.b32 %0, 1, 0, p; }\" "
     ": \"=r\"(done) : \"r\"(b) : \"memory\");\n    ((__global uint4 *)out)[lid] = x[lid];\n}\n",
     0, 128, fill_numbers, check_bulk},
    {"wgmma", "wgmma m64n8k16 bf16: only where the compiler targets sm_90a", "",
     HEAD FRAGMENTS
     "    __local uint4 core[16];\n    if (lid < 16) core[lid] = ((__global const uint4 *)in)[256 "
     "+ lid];\n    __asm__ volatile(\"fence.proxy.async.shared::cta;\" ::: \"memory\");\n    "
     "barrier(CLK_LOCAL_MEM_FENCE);\n    const ulong b = (((ulong)(uint)(size_t)core & 0x3FFFF) >> "
     "4) | (ulong)(128 >> 4) << 16 | (ulong)(256 >> 4) << 32;\n    __asm__ "
     "volatile(\"wgmma.fence.sync.aligned;\" ::: \"memory\");\n    __asm__ volatile(\"{ .reg .pred "
     "p; setp.ne.b32 p, 1, 0; wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%0,%1,%2,%3}, "
     "{%4,%5,%6,%7}, %8, p, 1, 1, 0; }\" : \"+f\"(c0), \"+f\"(c1), \"+f\"(c2), \"+f\"(c3) : "
     "\"r\"(a0), \"r\"(a1), \"r\"(a2), \"r\"(a3), \"l\"(b));\n    __asm__ "
     "volatile(\"wgmma.commit_group.sync.aligned;\" ::: \"memory\");\n    __asm__ "
     "volatile(\"wgmma.wait_group.sync.aligned 0;\" : \"+f\"(c0), \"+f\"(c1), \"+f\"(c2), "
     "\"+f\"(c3) :: \"memory\");\n" OUT4,
     0, 128, fill_bf16, check_m64k16},
};
enum { PROBES = sizeof probes / sizeof *probes };

static void facts(void) {
    static const struct {
        cl_device_info what;
        const char *name;
        int text;
    } list[] = {{CL_DEVICE_NAME, "name", 1},
                {CL_DEVICE_VENDOR, "vendor", 1},
                {CL_DRIVER_VERSION, "driver", 1},
                {CL_DEVICE_VERSION, "version", 1},
                {CL_DEVICE_OPENCL_C_VERSION, "OpenCL C", 1},
                {CL_DEVICE_EXTENSIONS, "extensions", 1},
                {CL_DEVICE_MAX_COMPUTE_UNITS, "compute units", 0},
                {CL_DEVICE_MAX_CLOCK_FREQUENCY, "clock MHz", 0},
                {CL_DEVICE_GLOBAL_MEM_SIZE, "memory", 0},
                {CL_DEVICE_MAX_MEM_ALLOC_SIZE, "largest allocation", 0},
                {CL_DEVICE_LOCAL_MEM_SIZE, "local memory", 0},
                {CL_DEVICE_MAX_WORK_GROUP_SIZE, "work-group", 0},
                {CL_DEVICE_MEM_BASE_ADDR_ALIGN, "alignment bits", 0},
                {CL_DEVICE_MAX_PARAMETER_SIZE, "parameter bytes", 0},
                {CL_DEVICE_PREFERRED_VECTOR_WIDTH_FLOAT, "preferred float vector", 0},
                {CL_DEVICE_NATIVE_VECTOR_WIDTH_HALF, "native half vector", 0},
                {CL_DEVICE_HOST_UNIFIED_MEMORY, "unified memory", 0},
                {CL_DEVICE_PROFILING_TIMER_RESOLUTION, "timer ns", 0},
                {CL_DEVICE_GLOBAL_MEM_CACHE_SIZE, "cache", 0},
                {0x4000, "NV compute capability major", 0},
                {0x4001, "NV compute capability minor", 0},
                {0x4002, "NV registers a block", 0},
                {0x4003, "NV warp", 0},
                {0x4005, "NV kernel time limit", 0},
                {0x4006, "NV integrated", 0},
                {0x4007, "NV copy engines", 0}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        static char text[16384];
        size_t n = 0;
        memset(text, 0, sizeof text);
        if (clGetDeviceInfo(device, list[i].what, sizeof text - 1, text, &n))
            continue;
        uint64_t number = 0;
        memcpy(&number, text, n < 8 ? n : 8);
        if (list[i].text)
            printf("fact %s: %s\n", list[i].name, text);
        else
            printf("fact %s: %llu\n", list[i].name, (unsigned long long)number);
    }
    size_t sizes[3] = {0};
    clGetDeviceInfo(device, CL_DEVICE_MAX_WORK_ITEM_SIZES, sizeof sizes, sizes, NULL);
    printf("fact work-items: %zu %zu %zu\n", sizes[0], sizes[1], sizes[2]);
}
static cl_mem make(size_t bytes, cl_mem_flags flags) {
    cl_int code;
    cl_mem m = clCreateBuffer(context, CL_MEM_READ_WRITE | flags, bytes, NULL, &code);
    if (code)
        printf("number buffer of %zu: error %d\n", bytes, code);
    return code ? NULL : m;
}

static int run_probe(const probe *p) {
    static uint32_t in[4096], out[4096];
    cl_int code;
    char words[128];
    static char log[16384];
    memset(in, 0, sizeof in);
    memset(out, 0xA5, sizeof out);
    p->fill(in);
    memset(log, 0, sizeof log);
    snprintf(words, sizeof words, "-cl-std=CL1.2 %s", p->options);
    cl_program program =
        clCreateProgramWithSource(context, 1, (const char **)(uintptr_t)&p->source, NULL, &code);
    code = clBuildProgram(program, 1, &device, words, NULL, NULL);
    if (code) {
        clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, sizeof log - 1, log, NULL);
        clReleaseProgram(program);
        printf("NO BUILD %-16s %s: %d\n", p->name, p->what, code);
        printf("    %.1200s\n", log);
        return 0;
    }
    cl_kernel k = clCreateKernel(program, "probe", &code);
    cl_mem a = make(sizeof in, 0), b = make(sizeof out, 0);
    cl_ulong private = 0;
    const size_t items = (size_t)p->items;
    if (!code)
        code = clSetKernelArg(k, 0, sizeof b, &b) | clSetKernelArg(k, 1, sizeof a, &a);
    if (!code)
        code = clEnqueueWriteBuffer(queue, a, CL_TRUE, 0, sizeof in, in, 0, NULL, NULL) |
               clEnqueueWriteBuffer(queue, b, CL_TRUE, 0, sizeof out, out, 0, NULL, NULL);
    if (!code)
        code = clEnqueueNDRangeKernel(queue, k, 1, NULL, &items, &items, 0, NULL, NULL);
    if (!code)
        code = clFinish(queue);
    if (!code)
        code = clEnqueueReadBuffer(queue, b, CL_TRUE, 0, sizeof out, out, 0, NULL, NULL);
    if (!code)
        clGetKernelWorkGroupInfo(k, device, CL_KERNEL_PRIVATE_MEM_SIZE, sizeof private, &private,
                                 NULL);
    const int bad = code ? -1 : p->check(in, out);
    if (code)
        printf("NO RUN   %-16s %s: %d\n", p->name, p->what, code);
    else
        printf("%-8s %-16s %s%s", bad ? "FAIL" : "PASS", p->name, p->what, bad ? "" : "\n");
    if (bad > 0)
        printf(": %d words wrong\n", bad);
    if (!strcmp(p->name, "pragma-unroll"))
        printf("    private bytes: %llu\n", (unsigned long long)private);
    if (!strcmp(p->name,
                "plain")) { /* NVIDIA's binaries are PTX text: what does its compiler aim at? */
        size_t size = 0;
        clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, NULL);
        unsigned char *binary = calloc(1, size + 1);
        clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL);
        for (char *line = strtok((char *)binary, "\n"); line; line = strtok(NULL, "\n"))
            if (!strncmp(line, ".version", 8) || !strncmp(line, ".target", 7) ||
                !strncmp(line, ".address_size", 13))
                printf("    %s\n", line);
        free(binary);
    }
    clReleaseKernel(k);
    clReleaseProgram(program);
    clReleaseMemObject(a);
    clReleaseMemObject(b);
    fflush(stdout);
    return bad == 0;
}

/* What a step's many launches and small copies cost here. */
static void numbers(void) {
    static const char text[] = "__kernel void nothing(__global uint *x) { if (x == 0) x[0] = 1; }";
    const char *source = text;
    cl_int code;
    const size_t one = 64;
    cl_program program = clCreateProgramWithSource(context, 1, &source, NULL, &code);
    double t = now();
    if (clBuildProgram(program, 1, &device, "-cl-std=CL1.2", NULL, NULL))
        return;
    printf("number smallest build: %.1f ms\n", 1e3 * (now() - t));
    cl_kernel k = clCreateKernel(program, "nothing", &code);
    const size_t big = (size_t)256 << 20;
    cl_mem x = make(big, 0), pinned = make(big / 4, CL_MEM_ALLOC_HOST_PTR);
    if (!x || !pinned)
        return;
    clSetKernelArg(k, 0, sizeof x, &x);
    for (int r = 0; r < 2; r++) { /* the first warms up */
        clFinish(queue);
        t = now();
        for (int i = 0; i < 2000; i++)
            clEnqueueNDRangeKernel(queue, k, 1, NULL, &one, &one, 0, NULL, NULL);
        const double queued = now() - t;
        clFinish(queue);
        if (r)
            printf("number empty launches: %.2f us to queue, %.2f us each with the wait\n",
                   1e6 * queued / 2000, 1e6 * (now() - t) / 2000);
        t = now();
        for (int i = 0; i < 500; i++) {
            clEnqueueNDRangeKernel(queue, k, 1, NULL, &one, &one, 0, NULL, NULL);
            clFinish(queue);
        }
        if (r)
            printf("number launch and finish: %.2f us\n", 1e6 * (now() - t) / 500);
        uint32_t small[4];
        t = now();
        for (int i = 0; i < 500; i++)
            clEnqueueReadBuffer(queue, x, CL_TRUE, 0, 16, small, 0, NULL, NULL);
        if (r)
            printf("number blocking read of 16 bytes: %.2f us\n", 1e6 * (now() - t) / 500);
        uint32_t *host = calloc(1, 4096);
        t = now();
        for (int i = 0; i < 1000; i++)
            clEnqueueWriteBuffer(queue, x, CL_FALSE, 0, 4096, host, 0, NULL, NULL);
        const double w = now() - t;
        clFinish(queue);
        if (r)
            printf("number write of 4 KiB without wait: %.2f us to queue, %.2f us each\n",
                   1e6 * w / 1000, 1e6 * (now() - t) / 1000);
        free(host);
        char *pageable = malloc(big / 4);
        memset(pageable, 1, big / 4);
        char *map = clEnqueueMapBuffer(queue, pinned, CL_TRUE, CL_MAP_WRITE | CL_MAP_READ, 0,
                                       big / 4, 0, NULL, NULL, &code);
        if (code)
            return;
        memset(map, 1, big / 4);
        for (int p = 0; p < 2; p++) {
            char *from = p ? map : pageable;
            t = now();
            clEnqueueWriteBuffer(queue, x, CL_TRUE, 0, big / 4, from, 0, NULL, NULL);
            const double in = now() - t;
            t = now();
            clEnqueueReadBuffer(queue, x, CL_TRUE, 0, big / 4, from, 0, NULL, NULL);
            const double out = now() - t;
            if (r)
                printf("number copies of 64 MiB, %s: %.1f GB/s in, %.1f GB/s out\n",
                       p ? "pinned" : "pageable", (double)big / 4e9 / in, (double)big / 4e9 / out);
        }
        clEnqueueUnmapMemObject(queue, pinned, map, 0, NULL, NULL);
        clFinish(queue);
        free(pageable);
    }
    const cl_uchar zero = 0;
    code = clEnqueueFillBuffer(queue, x, &zero, 1, 0, big, 0, NULL, NULL);
    t = now();
    if (!code)
        code = clFinish(queue);
    printf("number fill of 256 MiB by a 1-byte pattern: code %d, %.2f ms; ", code,
           1e3 * (now() - t));
    const cl_uint wide = 0;
    t = now();
    code = clEnqueueFillBuffer(queue, x, &wide, 4, 0, big, 0, NULL, NULL);
    if (!code)
        code = clFinish(queue);
    printf("4-byte: code %d, %.2f ms\n", code, 1e3 * (now() - t));
    uint32_t ends[2];
    clEnqueueReadBuffer(queue, x, CL_TRUE, big - 4, 4, ends, 0, NULL, NULL);
    clEnqueueReadBuffer(queue, x, CL_TRUE, big / 2, 4, ends + 1, 0, NULL, NULL);
    printf("number fill is %s\n", ends[0] || ends[1] ? "WRONG" : "right");
    cl_ulong limit = 0;
    clGetDeviceInfo(device, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof limit, &limit, NULL);
    cl_mem more =
        clCreateBuffer(context, CL_MEM_READ_WRITE, (size_t)limit + (1 << 20), NULL, &code);
    printf("number a buffer beyond the largest allocation: code %d\n", code);
    if (more)
        clReleaseMemObject(more);
    clReleaseMemObject(x);
    clReleaseMemObject(pinned);
    clReleaseKernel(k);
    clReleaseProgram(program);
}

static int open_device(int with_facts) {
    cl_platform_id platforms[16];
    cl_uint count = 0;
    cl_int code = clGetPlatformIDs(16, platforms, &count);
    if (code) {
        printf("no platform: %d\n", code);
        return 77;
    }
    for (cl_uint i = 0; i < count && with_facts; i++) {
        char name[256] = "";
        clGetPlatformInfo(platforms[i], CL_PLATFORM_NAME, sizeof name, name, NULL);
        printf("fact platform %u: %s\n", i, name);
    }
    for (int any = 0; any < 2 && !device; any++)
        for (cl_uint i = 0; i < count && !device; i++)
            if (clGetDeviceIDs(platforms[i], any ? CL_DEVICE_TYPE_ALL : CL_DEVICE_TYPE_GPU, 1,
                               &device, NULL))
                device = NULL;
    if (!device) {
        printf("no device\n");
        return 77;
    }
    if (with_facts)
        facts();
    const double t = now();
    context = clCreateContext(NULL, 1, &device, NULL, NULL, &code);
    if (code) {
        printf("no context: %d\n", code);
        return 1;
    }
    queue = clCreateCommandQueue(context, device, 0, &code);
    if (code) {
        printf("no queue: %d\n", code);
        return 1;
    }
    if (with_facts)
        printf("number context and queue: %.0f ms\n", 1e3 * (now() - t));
    return 0;
}

/* A probe may kill its process or leave the context unusable: each has a process of its own, of 30
 * s. */
static int in_a_process(const char *self, const char *what, const char *index) {
    int code = 0;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        alarm(30);
        execl(self, self, what, index, (char *)NULL);
        _exit(1);
    }
    waitpid(child, &code, 0);
    if (WIFSIGNALED(code))
        printf("CRASHED  %s: %s\n", index ? probes[atoi(index)].name : what,
               strsignal(WTERMSIG(code)));
    return WIFEXITED(code) ? WEXITSTATUS(code) : 1;
}

int main(int argc, char **argv) {
    int missing = 0, code;
    if (argc == 3 && !strcmp(argv[1], "--dump")) {
        for (int i = 0; i < PROBES; i++) {
            char path[512];
            snprintf(path, sizeof path, "%s/%s.cl", argv[2], probes[i].name);
            FILE *f = fopen(path, "w");
            if (!f || fputs(probes[i].source, f) < 0 || fclose(f))
                return 1;
        }
        return 0;
    }
    if (argc > 1) {
        code = open_device(!strcmp(argv[1], "--facts"));
        if (code)
            return code;
        if (!strcmp(argv[1], "--one") && argc == 3)
            return !run_probe(&probes[atoi(argv[2])]);
        if (!strcmp(argv[1], "--numbers"))
            numbers();
        return 0;
    }
    code = in_a_process("/proc/self/exe", "--facts", NULL);
    if (code)
        return code;
    for (int i = 0; i < PROBES; i++) {
        char index[8];
        snprintf(index, sizeof index, "%d", i);
        missing += in_a_process("/proc/self/exe", "--one", index) && probes[i].needed;
    }
    in_a_process("/proc/self/exe", "--numbers", NULL);
    printf("%d needed probes are no PASS\n", missing);
    return missing != 0;
}
