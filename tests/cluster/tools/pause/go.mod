module w2s.dev/tests/cluster/tools/pause

go 1.24.0
