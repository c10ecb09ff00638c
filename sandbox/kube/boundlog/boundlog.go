// Package boundlog keeps log files bounded from within the process that writes them: there is no
// log daemon on a bare machine.
package boundlog

import (
	"io"
	"os"
	"strings"
	"time"
)

const (
	limitBytes = 32 << 20
	keepBytes  = 8 << 20
	checkEvery = 30 * time.Second
)

// Start looks at the sizes of the files, a list separated by colons, for as long as the process lives.
func Start(list string) {
	if list == "" {
		return
	}
	paths := strings.Split(list, ":")
	go func() {
		for range time.Tick(checkEvery) {
			for _, path := range paths {
				if err := bound(path, limitBytes, keepBytes); err != nil {
					os.Stderr.WriteString("cannot bound the log: " + err.Error() + "\n")
				}
			}
		}
	}()
}

// bound keeps the end of a log that has grown over its limit beside it and empties it. The writers
// have it open for appending, so that what they write next begins the file anew.
func bound(path string, limit, keep int64) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil || size < limit {
		return err
	}
	if _, err := file.Seek(size-keep, io.SeekStart); err != nil {
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
