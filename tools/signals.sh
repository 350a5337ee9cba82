# Sourced by the scripts that start trainings: wait_for PID waits for a process to end, also when a signal comes meanwhile, and
# gives its status.
wait_for() {
    local status
    # A trap ends a wait.
    while true; do
        wait "$1"
        status=$?
        kill -0 "$1" 2>/dev/null || return "$status"
    done
}
