#!/bin/sh
# Makes the namespace and the search attributes that Dialtone uses. May be repeated.
set -eu
namespace=${TEMPORAL_NAMESPACE:-default}
if ! temporal operator namespace describe --namespace "$namespace" >/dev/null 2>&1; then
  # Retention: how long the history of a finished onboarding can be looked at.
  temporal operator namespace create --namespace "$namespace" --retention 720h
fi
# A new namespace is known to the whole server only some seconds later.
tries=0
until present=$(temporal operator search-attribute list --namespace "$namespace"); do
  tries=$((tries + 1))
  [ "$tries" -lt 60 ] || exit 1
  sleep 1
done
for attribute in OnboardingState:Keyword TenantId:Keyword NeedsAttention:Bool; do
  name=${attribute%%:*} type=${attribute#*:}
  case "$present" in
    *"$name"*) ;;
    *) temporal operator search-attribute create --namespace "$namespace" --name "$name" --type "$type" ;;
  esac
done
