// The rate of MPI_Bcast (MPI 3.1, section 5.4), as a line of JSON from rank 0. `mpi` builds and
// runs it; nothing of Squall is in it, and Bazel does not know it.
//
//   bcast SIZE_BYTES SECONDS FABRIC
//
// A round is as many broadcasts as fit into a third of SECONDS, one after another as fast as MPI
// lets them go, from a barrier to a barrier, so that every byte counted is at every rank. The first
// and the last word of an object are its number, which every rank checks as it comes; the words
// between are filled anew before a round and checked whole after it, both outside the time.

#define OMPI_SKIP_MPICXX  // the C++ bindings, which MPI 3 has removed
#include <mpi.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

constexpr int rounds = 3;
constexpr int most_broadcasts = 1'000'000;
constexpr std::size_t word = sizeof(std::uint64_t);
constexpr std::size_t most_bytes = std::size_t{1} << 30;  // MPI counts bytes in an int

[[noreturn]] void stop(const char* why) {
  std::fprintf(stderr, "bcast: %s\n", why);
  MPI_Abort(MPI_COMM_WORLD, 1);
  std::abort();
}

/// SplitMix64 (Steele et al., OOPSLA 2014): what word `index` of an object of round `seed` holds.
std::uint64_t pattern(std::uint64_t seed, std::uint64_t index) {
  std::uint64_t z = (seed << 40) + (index + 1) * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

class Broadcaster {
 public:
  explicit Broadcaster(std::size_t size) : object_(size) { MPI_Comm_rank(MPI_COMM_WORLD, &rank_); }

  /// Seconds that `count` broadcasts take.
  double round(std::uint64_t seed, int count) {
    fill(seed);
    MPI_Barrier(MPI_COMM_WORLD);
    const double start = MPI_Wtime();
    for (int i = 0; i < count; ++i) broadcast();
    MPI_Barrier(MPI_COMM_WORLD);
    const double seconds = MPI_Wtime() - start;
    check(seed);
    return seconds;
  }

 private:
  std::size_t last() const { return object_.size() - word; }

  /// A receiver begins with something else: what it holds afterwards has come to it.
  void fill(std::uint64_t seed) {
    for (std::size_t at = 0; at + word <= object_.size(); at += word) {
      const std::uint64_t value = rank_ == 0 ? pattern(seed, at / word) : ~pattern(seed, at / word);
      std::memcpy(object_.data() + at, &value, word);
    }
  }

  void broadcast() {
    ++number_;
    if (rank_ == 0)
      for (const std::size_t at : {std::size_t{0}, last()})
        std::memcpy(object_.data() + at, &number_, word);
    MPI_Bcast(object_.data(), static_cast<int>(object_.size()), MPI_BYTE, 0, MPI_COMM_WORLD);
    for (const std::size_t at : {std::size_t{0}, last()})
      if (std::memcmp(object_.data() + at, &number_, word) != 0) stop("another object came");
  }

  void check(std::uint64_t seed) const {
    for (std::size_t at = word; at + word <= last(); at += word) {
      const std::uint64_t expected = pattern(seed, at / word);
      if (std::memcmp(object_.data() + at, &expected, word) != 0) stop("an object came broken");
    }
  }

  std::vector<char> object_;
  std::uint64_t number_ = 0;
  int rank_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0;
  int members = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &members);
  const std::size_t size = argc == 4 ? std::strtoull(argv[1], nullptr, 10) : 0;
  const double seconds = argc == 4 ? std::strtod(argv[2], nullptr) : 0;
  if (size < 4 * word || size > most_bytes || seconds <= 0)
    stop("usage: bcast SIZE_BYTES SECONDS FABRIC, with 32 to 2^30 bytes");

  Broadcaster broadcaster(size);
  broadcaster.round(0, 2);  // connects, and touches all memory
  // Rank 0 decides for all.
  int count = 3;
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    const double each = broadcaster.round(seed, count) / count;
    const double share = seed == 1 ? seconds / 10 : seconds / rounds;
    count = static_cast<int>(std::clamp(share / each, 2.0, double{most_broadcasts}));
    MPI_Bcast(&count, 1, MPI_INT, 0, MPI_COMM_WORLD);
  }

  std::array<double, rounds> rates{};
  for (int i = 0; i < rounds; ++i)
    rates[i] = count / broadcaster.round(static_cast<std::uint64_t>(3 + i), count);
  std::sort(rates.begin(), rates.end());
  const double objects_per_s = rates[rounds / 2];
  if (rank == 0)
    std::printf(
        "{\"case\":\"mpi_bcast\",\"fabric\":\"%s\",\"members\":%d,\"size_bytes\":%zu,"
        "\"bytes_per_s\":%.0f,\"messages_per_s\":%.3f}\n",
        argv[3], members, size, objects_per_s * static_cast<double>(size), objects_per_s);
  MPI_Finalize();
}
