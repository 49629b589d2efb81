package main

import (
	"fmt"
	"os"
	"time"

	"k8s.io/kubernetes/pkg/controller/job"
)

// shortenJobTimes lets a test that fails many pods wait for less than the Job controller's 10 s before a
// replacement (JOB_POD_FAILURE_BACKOFF) and its 1 s between syncs (JOB_SYNC_PERIOD). Unset, both are Kubernetes' own.
func shortenJobTimes() {
	set := func(name string, target *time.Duration) {
		text := os.Getenv(name)
		if text == "" {
			return
		}
		value, err := time.ParseDuration(text)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			os.Exit(2)
		}
		*target = value
	}
	set("JOB_POD_FAILURE_BACKOFF", &job.DefaultJobPodFailureBackOff)
	set("JOB_SYNC_PERIOD", &job.SyncJobBatchPeriod)
}
