#!/bin/bash
# `mpi` with programs in place of Open MPI and of Squall that print given rates: what it makes of
# them, in which order it runs them, and what bad input gets.
set -uo pipefail
# The tree itself, of which runfiles hold only links to files.
mpi=$(readlink -f "$(dirname "$0")/mpi")
cd "$(mktemp -d "${TEST_TMPDIR:-/tmp}/mpi.XXXXXX")" || exit 1
here=$PWD failures=0
unset HOME

mkdir fakes
# fake NAME KEY FABRIC MEMBERS SIZE, in which the latter three are shell words: a program that
# prints the next rate of the file `rates.KEY`, and adds itself to `order`.
fake() {
  cat > "fakes/$1" <<FAKE
#!/bin/bash
[[ \$1 != --version ]] || { echo 'mpirun (Open MPI) 4.1.4'; exit; }
echo "$2 \$*" >> $here/order
next=\$(head -n 1 $here/rates.$2)
sed -i 1d $here/rates.$2
[[ \$next != fail ]] || { echo 'it broke' >&2; exit 3; }
echo some other line
echo "{\"case\":\"$2\",\"fabric\":\"$3\",\"members\":$4,\"size_bytes\": $5,\"bytes_per_s\":\$next}"
FAKE
  chmod +x "fakes/$1"
}
fake mpirun mpi '${@: -1}' '${@: -6:1}' '${@: -4:1}'
fake squall squall '$8' '$4' '$6'
printf '#!/bin/bash\n' > fakes/mpicxx
chmod +x fakes/mpicxx

# run ARGUMENT...: `mpi` among the fakes, its output in `out` and `err`.
run() {
  : > order
  PATH=$here/fakes:$PATH "$mpi" "$@" > out 2> err
  status=$?
}
rates() {
  printf '%s\n' "${@:2}" > "rates.$1"
}
check() {
  "${@:2}" && return
  echo "FAILED: $1; status $status, output:"
  cat out err
  failures=$(( failures + 1 ))
}
one_case=(--squall "$here/fakes/squall" --fabrics tcp --members 4 --sizes 1000000)

# Pairs of 2, 0.5 and 1.5: the median of the ratios is none of the medians.
rates mpi 1e9 4000000000 2000000000.0
rates squall 2e9 2e9 3e9
run "${one_case[@]}" --json
asked='"fabric":"tcp","members":4,"size_bytes":1000000'
cat > expected <<JSON
{"case":"mpi_bcast",$asked,"buffers":1,"bytes_per_s":2000000000,"messages_per_s":2000}
{"case":"squall_objects",$asked,"bytes_per_s":2000000000,"messages_per_s":2000}
{"case":"squall_of_mpi_bcast",$asked,"ratio":1.5,"least":0.5,"most":2,"rounds":3}
JSON
check 'the median of the pairs, as JSON' diff expected out
check 'status 0' test "$status" = 0
check 'each is first by turns' \
  test "$(cut -d' ' -f1 order | tr '\n' ' ')" = 'squall mpi mpi squall squall mpi '
check 'what Squall is asked for' grep -qx \
  'squall bench objects --members 4 --size 1000000 --fabric tcp --seconds 1 --json' order
check 'over loopback only' grep -q -- \
  '^mpi .*--mca btl tcp,self --mca btl_tcp_if_include lo --mca oob_tcp_if_include lo' order

rates mpi 1e9 1e9 2e9 2e9
rates squall 1e9 2e9 4e9 6e9
run "${one_case[@]}" --rounds 4 --buffers 8
check 'MPI is told how many buffers' grep -q '^mpi .*/bcast 1000000 1 8 tcp$' order
check 'of an even count, the mean of the middle two' \
  grep -Eq '^tcp, 4 members, 1000000 B +1.50 GB/s +3.00 GB/s +2.00 +1.00 to 3.00$' out

rates mpi 1e9 1e9 2e9
rates squall 1e9 1e9 1e9
run "${one_case[@]}" --buffers 8 --json
check 'and JSON says it' grep -q '"case":"mpi_bcast".*"buffers":8,' out

rates mpi 1e9 1e9 1e9 1e8 1e8 1e8
rates squall 1e9 1e9 1e9 1e9 1e9 1e9
run "${one_case[@]}" --fabrics shm,tcp --members 2 --json
check 'each case has its own figures' test "$(grep -o '"ratio":[0-9.]*' out | tr '\n' ' ')" = \
  '"ratio":1 "ratio":10 '
check 'shared memory is vader' test "$(grep -c -- '--mca btl vader,self' order)" = 3

rates mpi 1e9 1e9 1e9
rates squall 1e9 fail
run "${one_case[@]}"
check 'a run that fails is an error' test "$status" = 1
check 'and says which' grep -q 'ended with status 3.*squall bench objects --members 4' err
check 'and what it said' grep -q 'it broke' err
rates squall null 1e9 1e9
run "${one_case[@]}"
check 'no rate is an error' test "$status" = 1
rates squall 0 1e9 1e9
run "${one_case[@]}"
check 'a rate of nothing is an error' test "$status" = 1
fake other squall '$8' 3 '$6'
rates squall 1e9 1e9 1e9
run "${one_case[@]}" --squall "$here/fakes/other"
check 'figures of another case are an error' grep -q 'no bytes_per_s of what was asked' err

# refused WHY ARGUMENT...: status 2 and a message that matches, and nothing was run.
refused() {
  run "${one_case[@]}" "${@:2}"
  check "refused: ${*:2}" test "$status" = 2 -a ! -s order
  check "says why: ${*:2}" grep -q -- "$1" err
}
refused 'unknown option --frobnicate' --frobnicate
refused 'needs a value' --rounds
refused 'takes 3 to 99' --rounds 2
refused 'takes a time' --seconds 0.0
refused 'takes a time' --seconds fast
refused 'takes shm and tcp, not tcp,verbs' --fabrics tcp,verbs
refused 'members takes 2 to 64, not 1' --members 2,1
refused 'sizes takes whole numbers' --sizes 1MB
refused 'sizes takes 32 to 1073741824' --sizes 16
refused 'buffers takes 1 to 64' --buffers 0
refused 'buffers takes 1 to 64' --buffers 65
refused '5 buffers of 1073741824 bytes are over 4 GiB' --sizes 32,1073741824 --buffers 5
refused 'no program at .*nowhere' --squall "$here/nowhere"

# Hardly any program on the PATH: no MPI, and no apt-get to install it with.
mkdir bare
for tool in bash dirname readlink cat mktemp grep; do ln -s "$(command -v $tool)" bare/; done
PATH=$here/bare "$mpi" "${one_case[@]}" > out 2> err
status=$?
check 'without MPI and apt: status 2' test "$status" = 2
check 'and what is missing' grep -q 'missing here: .*openmpi-bin' err

printf '#!/bin/bash\necho HYDRA build details\n' > fakes/mpirun
run "${one_case[@]}"
check 'another MPI: status 2' test "$status" = 2
check 'and its name' grep -q 'not Open MPI.*HYDRA' err

echo "$failures failed"
(( failures == 0 ))
