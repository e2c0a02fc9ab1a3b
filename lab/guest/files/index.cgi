#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n'
# It is empty for a moment whenever it is written.
tries=0
until number=$(cat /run/counter) && [ -n "$number" ] || [ "$tries" -ge 100 ]; do tries=$((tries + 1)); done
echo "$(hostname) counter $number"
