# Sourced by the scripts that start training.
# wait_for PID: wait until a process ends, even if signals arrive meanwhile, and return its exit status.
wait_for() {
    local status
    # A trapped signal interrupts wait.
    while true; do
        wait "$1"
        status=$?
        kill -0 "$1" 2>/dev/null || return "$status"
    done
}
