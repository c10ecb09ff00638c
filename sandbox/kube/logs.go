package main

import (
	"io"
	"os"
	"strings"
	"time"
)

// The variable lists log files, separated by colons, that this process keeps bounded: its own,
// and on a node containerd's too. There is no log daemon on a bare machine.
const boundLogsVariable = "SANDBOX_BOUND_LOGS"

const (
	logLimitBytes = 32 << 20
	logKeepBytes  = 8 << 20
	logCheckEvery = 30 * time.Second
)

// boundLogs looks at the sizes of the files now and then for as long as the process lives.
func boundLogs(list string) {
	if list == "" {
		return
	}
	os.Unsetenv(boundLogsVariable)
	paths := strings.Split(list, ":")
	go func() {
		for range time.Tick(logCheckEvery) {
			for _, path := range paths {
				if err := boundLog(path); err != nil {
					os.Stderr.WriteString("cannot bound the log: " + err.Error() + "\n")
				}
			}
		}
	}()
}

// boundLog keeps the end of a log that has grown over its limit beside it and empties it. The
// writers have it open for appending, so that what they write next begins the file anew.
func boundLog(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil || size < logLimitBytes {
		return err
	}
	if _, err := file.Seek(size-logKeepBytes, io.SeekStart); err != nil {
		return err
	}
	kept, err := os.Create(path + ".1")
	if err != nil {
		return err
	}
	defer kept.Close()
	if _, err := io.Copy(kept, file); err != nil {
		return err
	}
	return file.Truncate(0)
}
