#!/bin/bash
# bcast.cc with Open MPI itself: it measures, and it stops where an object comes broken.
set -uo pipefail
here=$(dirname "$(readlink -f "$(dirname "$0")/mpi")")
if [[ $(mpirun --version 2>&1) != *'Open MPI'* ]] || ! command -v mpicxx > /dev/null; then
  echo "SKIPPED: there is no Open MPI here"
  exit 0
fi
cd "$(mktemp -d "${TEST_TMPDIR:-/tmp}/bcast.XXXXXX")" || exit 1

fail() {
  echo "FAILED: $1"
  cat out
  exit 1
}

# 1001 bytes are no multiple of a word.
cat > squall <<'FAKE'
#!/bin/bash
echo "{\"fabric\":\"$8\",\"members\":$4,\"size_bytes\":$6,\"bytes_per_s\":1000}"
FAKE
chmod +x squall
small=(--squall ./squall --members 3 --sizes 1001 --seconds 0.05 --json)
"$here/mpi" "${small[@]}" > out 2>&1 || fail 'it does not run'
cat out
(( $(grep -c '"mpi_bcast".*"bytes_per_s":[1-9]' out) == 2 )) || fail 'not a rate for each case'
"$here/mpi" "${small[@]}" --buffers 5 > out 2>&1 || fail 'it does not run with five buffers'

# A layer between bcast.cc and MPI (MPI 3.1, section 14.2) that breaks a byte at one of three ranks.
cat > broken.cc <<'CODE'
#define OMPI_SKIP_MPICXX
#include <mpi.h>
extern "C" int MPI_Bcast(void* data, int count, MPI_Datatype type, int root, MPI_Comm all) {
  const int status = PMPI_Bcast(data, count, type, root, all);
  int rank = 0;
  MPI_Comm_rank(all, &rank);
  if (rank == 1 && count > BROKEN) static_cast<char*>(data)[BROKEN] ^= 1;
  return status;
}
CODE
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
for place in 0:another:1 500:broken:1 500:broken:7; do
  IFS=: read -r byte error buffers <<< "$place"
  mpicxx -std=c++20 -DBROKEN="$byte" -o broken "$here/bcast.cc" broken.cc || exit 1
  timeout --kill-after=5 60 mpirun --oversubscribe --mca mpi_yield_when_idle 1 \
    --mca btl vader,self --mca oob_tcp_if_include lo \
    -np 3 ./broken 1001 0.01 "$buffers" shm > out 2>&1 &&
    fail "byte $byte is wrong, and nobody minds"
  grep -q "bcast: .*$error" out || fail "byte $byte is wrong, and another error is told"
done
