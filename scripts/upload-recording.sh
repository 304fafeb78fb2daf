#!/bin/sh
# Tells the agent that Asterisk has finished a recording. MixMonitor runs it once
# the files are closed; a hangup handler would run while they are still written.
#
#   upload-recording.sh UNIQUEID CALL_ID [ENVIRONMENT]
#
# UNIQUEID   the name of the files in the monitor folder, without -user.wav and so on
# CALL_ID    the call they belong to
#
# Leaves UNIQUEID.job in $OFFHOOK_SPOOL (/var/spool/offhook) and returns at once; the
# agent does the rest, now or when it is back. Exits 1, with a line on stderr and in
# syslog, if no job could be left.
set -eu
LC_ALL=C
export LC_ALL
spool=${OFFHOOK_SPOOL:-/var/spool/offhook}

say() {
    line=$(printf '%s' "$1" | tr -c '[:print:]' '?')
    printf 'upload-recording: %s\n' "$line" >&2
    if command -v logger >/dev/null 2>&1; then
        logger -t upload-recording -- "$line" || :
    fi
}

fail() {
    say "$1"
    exit 1
}

check() {
    case $2 in
    '' | .* | *..* | *[!A-Za-z0-9._-]*)
        fail "$1 is '$2', not 1 to 64 of A-Z a-z 0-9 . _ -"
        ;;
    esac
    [ "${#2}" -le 64 ] || fail "$1 '$2' is longer than 64 characters"
}

case $# in
2 | 3) ;;
*) fail "got $# arguments, not UNIQUEID CALL_ID [ENVIRONMENT]" ;;
esac
uniqueid=$1 call_id=$2 environment=${3-prod}
check UNIQUEID "$uniqueid"
check CALL_ID "$call_id"
check ENVIRONMENT "$environment"

[ -d "$spool" ] || mkdir -p "$spool" || fail "recording $uniqueid: cannot make the folder $spool"
draft=$spool/.$uniqueid.$$.tmp
trap 'rm -f "$draft"' EXIT
printf '{"recording": "%s", "call": "%s", "environment": "%s", "closed_at": "%s"}\n' \
    "$uniqueid" "$call_id" "$environment" "$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)" |
    dd of="$draft" conv=fsync 2>/dev/null ||
    fail "recording $uniqueid: cannot write to $spool"
mv -f "$draft" "$spool/$uniqueid.job" ||
    fail "recording $uniqueid: cannot leave a job in $spool"
say "recording $uniqueid of call $call_id: left $spool/$uniqueid.job"
