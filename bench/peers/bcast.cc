// The rate of MPI_Bcast (MPI 3.1, section 5.4), as a line of JSON from rank 0. `mpi` builds and
// runs it; nothing of Squall is in it, and Bazel does not know it.
//
//   bcast SIZE_BYTES SECONDS BUFFERS FABRIC
//
// A round is as many broadcasts as fit into a third of SECONDS, one after another as fast as MPI
// lets them go, from a barrier to a barrier, so that every byte counted is at every rank. Objects
// take the buffers in turn. The first and the last word of an object are its number, which every
// rank checks as it comes; the words between are filled anew before a round and checked whole after
// it, both outside the time.

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
constexpr std::size_t most_buffers = 64;

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
  Broadcaster(std::size_t size, std::size_t buffers) : objects_(buffers, std::vector<char>(size)) {
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  }

  /// Seconds that `count` broadcasts take.
  double round(std::uint64_t seed, int count) {
    for (auto& object : objects_) fill(object, seed);
    const std::uint64_t before = number_;
    MPI_Barrier(MPI_COMM_WORLD);
    const double start = MPI_Wtime();
    for (int i = 0; i < count; ++i) broadcast();
    MPI_Barrier(MPI_COMM_WORLD);
    const double seconds = MPI_Wtime() - start;
    const auto buffers = static_cast<std::uint64_t>(objects_.size());
    const std::uint64_t used = std::min(buffers, static_cast<std::uint64_t>(count));
    for (std::uint64_t i = 1; i <= used; ++i) check(objects_[(before + i) % buffers], seed);
    return seconds;
  }

 private:
  static std::size_t last(const std::vector<char>& object) { return object.size() - word; }

  /// A receiver begins with something else: what it holds afterwards has come to it.
  void fill(std::vector<char>& object, std::uint64_t seed) {
    for (std::size_t at = 0; at + word <= object.size(); at += word) {
      const std::uint64_t value = rank_ == 0 ? pattern(seed, at / word) : ~pattern(seed, at / word);
      std::memcpy(object.data() + at, &value, word);
    }
  }

  void broadcast() {
    auto& object = objects_[++number_ % objects_.size()];
    if (rank_ == 0)
      for (const std::size_t at : {std::size_t{0}, last(object)})
        std::memcpy(object.data() + at, &number_, word);
    MPI_Bcast(object.data(), static_cast<int>(object.size()), MPI_BYTE, 0, MPI_COMM_WORLD);
    for (const std::size_t at : {std::size_t{0}, last(object)})
      if (std::memcmp(object.data() + at, &number_, word) != 0) stop("another object came");
  }

  static void check(const std::vector<char>& object, std::uint64_t seed) {
    for (std::size_t at = word; at + word <= last(object); at += word) {
      const std::uint64_t expected = pattern(seed, at / word);
      if (std::memcmp(object.data() + at, &expected, word) != 0) stop("an object came broken");
    }
  }

  std::vector<std::vector<char>> objects_;  // each holds the latest one that came to it
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
  const std::size_t size = argc == 5 ? std::strtoull(argv[1], nullptr, 10) : 0;
  const double seconds = argc == 5 ? std::strtod(argv[2], nullptr) : 0;
  const std::size_t buffers = argc == 5 ? std::strtoull(argv[3], nullptr, 10) : 0;
  if (size < 4 * word || size > most_bytes || seconds <= 0 || buffers < 1 || buffers > most_buffers)
    stop("usage: bcast SIZE_BYTES SECONDS BUFFERS FABRIC, with 32 to 2^30 bytes, 1 to 64 buffers");

  Broadcaster broadcaster(size, buffers);
  broadcaster.round(0, 2);  // connects; all memory has been touched
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
        argv[4], members, size, objects_per_s * static_cast<double>(size), objects_per_s);
  MPI_Finalize();
}
