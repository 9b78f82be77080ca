#!/usr/bin/env bash
# Ranks that are really killed, and one that stands still, under an MPI that goes on without them: those who are left end
# with the bits of one process.
#
# usage: ulfm_test.sh PROGRAM MPIRUN
#
# PROGRAM is ulfm_ranks, MPIRUN that of an Open MPI 5. RUNS=N says how many trainings of four ranks lose one, two or three
# of them (20). Prints how long it took from the first word of a loss to the first message of what was repeated.
set -u

program=$1
mpirun=$2
runs=${RUNS:-20}
directory=$(mktemp -d)
failed=0
trap 'rm -rf "$directory"' EXIT
ulimit -u 4096 2>/dev/null
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

# ranks N ARGUMENT...: over loopback alone, more of them than processors. Over shared memory Open MPI 5.0 aborts now and
# then where a rank is killed.
ranks() {
    local count=$1
    shift
    timeout -k 5 60 "$mpirun" -n "$count" --with-ft ulfm --mca btl tcp,self --mca btl_tcp_if_include lo \
        --oversubscribe --bind-to none "$@"
}
# wrong PLACE WHAT: what went wrong in a directory of results.
wrong() {
    echo "$2; what was printed:"
    cat "$1/printed"
    failed=$((failed + 1))
}
# check PLACE LEFT STRUCK [MOVED]: as many ranks ended with the bits of one process, the others were struck. MOVED of the
# latter may have moved again where nobody was left who could tell them that they are gone; then they end like the others.
check() {
    local place=$1 left=0 struck bits ends moved=${4:-0}
    for bits in "$place"/bits.*; do
        [ -e "$bits" ] && left=$((left + 1))
        cmp -s "$bits" "$directory/one/bits" || wrong "$place" "${bits#"$directory"/} are not those of one process"
    done
    struck=$(find "$place" -name 'struck.*' | wc -l)
    { [ "$left" -ge "$2" ] && [ "$left" -le $(($2 + moved)) ] && [ "$struck" = "$3" ]; } ||
        wrong "$place" "$left ranks left and $struck struck, expected $2 and $3"
    # Progress is one rank's, whichever is the first.
    ends=$(grep -c '^epoch 3/3' "$place/printed")
    { [ "$ends" -ge 1 ] && [ "$ends" -le $((1 + moved)) ]; } || wrong "$place" "progress of the last epoch is there $ends times"
}

if ! ranks 2 true >"$directory/printed" 2>&1; then
    echo "SKIPPED: distributed_ulfm_test: mpirun cannot start processes here: $(head -n 3 "$directory/printed")"
    exit 0
fi
mkdir "$directory/one"
timeout 60 "$program" "$directory/one" >"$directory/one/printed" || wrong "$directory/one" "one process failed"

killed=0
for ((seed = 1; seed <= runs; ++seed)); do
    place=$directory/$seed
    kills=$((1 + seed % 3))
    mkdir "$place"
    ranks 4 "$program" "$place" "$seed" "$kills" >"$place/printed" 2>&1 || wrong "$place" "mpirun ended with status $?"
    check "$place" $((4 - kills)) "$kills"
    killed=$((killed + kills))
done
cat "$directory"/*/recovery.* | sort -n | awk -v kills="$killed" '{ ms[NR] = $1 } END {
    print kills " kills; ms from notice to repetition: median " ms[int((NR + 1) / 2)] ", longest " ms[NR] }'

# The detector has a thread of its own: without, a rank that computes for longer than its timeout counts as gone, too.
place=$directory/stopped
mkdir "$place"
ranks 3 --mca mpi_ft_detector true --mca mpi_ft_detector_thread true --mca mpi_ft_detector_period 0.5 \
    --mca mpi_ft_detector_timeout 2 "$program" "$place" 1 stop >"$place/printed" 2>&1 &
waited=0
until [ "$(find "$place" -name 'bits.*' | wc -l)" -ge 2 ] || ! kill -0 $! 2>/dev/null; do
    sleep 0.1
    waited=$((waited + 1))
done
echo "a rank that stands still: the others ended after $((waited / 10)) s"
# Where it goes on after all, MPI ends it, for the others have gone on without it, unless they have ended already.
kill -s CONT "$(cat "$place"/struck.*)"
wait $! || wrong "$place" "mpirun ended with status $?"
check "$place" 2 1 1

# MPI itself notices nothing: the others lose their patience, and all end with Mpi::status_of_loss.
place=$directory/left
mkdir "$place"
ranks 3 "$program" "$place" 1 leave >"$place/printed" 2>&1
status=$?
[ "$status" -eq 75 ] || wrong "$place" "mpirun ended with status $status, expected 75"
# mpirun has let the stopped one go on: it must not train on alone.
for ((waited = 0; waited < 100; ++waited)); do
    kill -0 "$(cat "$place"/struck.*)" 2>/dev/null || break
    sleep 0.1
done
kill -KILL "$(cat "$place"/struck.*)" 2>/dev/null && wrong "$place" "who was left behind is still there"
[ "$(find "$place" -name 'bits.*' | wc -l)" -eq 0 ] || wrong "$place" "who was left behind has trained on alone"
grep -q 'for 2 s nothing has come' "$place/printed" || wrong "$place" "nobody lost his patience"

[ "$failed" -eq 0 ]
