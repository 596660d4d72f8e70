# podling's build. `make help` lists what there is to make.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.NOTPARALLEL: # need.sh may install the C compiler that decides how all else is built
.DEFAULT_GOAL := build

# The same flags everywhere, so that build, vet and tests share Go's cache:
# compiling the Kubernetes packages a second time would take minutes. The commit
# is given to the linker below, so that the same source makes the same binary.
export GOFLAGS := $(GOFLAGS) -trimpath -buildvcs=false
# Without cgo the linker leaves out what is never called: 40 MB of binary, and memory at rest.
export CGO_ENABLED := 0
export PATH := $(CURDIR)/bin:$(PATH)
# What podlingtest starts.
export PODLING_BIN := $(CURDIR)/bin/podling

# golangci-lint is fetched by `make lint` alone: building it takes longer than all else there.
GOLANGCI := v2.15.0

# govulncheck asks https://vuln.go.dev, or what GOVULNDB names.
GOVULNCHECK := v1.9.0

# What `podling version`, the API server and the node report.
KUBERNETES := $(shell sed -n 's/^\tk8s.io\/kubernetes //p' go.mod)
VERSION := $(KUBERNETES)+podling
COMMIT := $(shell git rev-parse HEAD 2>/dev/null)
version_flags = -X $(1).gitVersion=$(VERSION) -X $(1).gitMajor=1 -X $(1).gitMinor=$(word 2,$(subst ., ,$(KUBERNETES))) -X $(1).gitCommit=$(COMMIT)
LDFLAGS := -s -w $(call version_flags,k8s.io/component-base/version) $(call version_flags,k8s.io/client-go/pkg/version)

# Packages that are not compiled once more for the race detector: their tests need
# most of Kubernetes, or, as the lifecycle's, begin no goroutine but take long.
UNRACED := /(cluster|cmd|conformance|trial)(/|$$)|/controlplane$$|/kubelet(/(cgroup|eviction|node|preemption|stats|volume))?$$|/(podling|lifecycle)$$

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: tools podling ## bin/podling and the programs it starts, beside it

.PHONY: podling
podling: ## bin/podling alone
	go build -ldflags '$(LDFLAGS)' -o bin/podling ./cmd/podling

# containerd, its shim and the CNI plugins are pure Go. runc needs C, and has
# seccomp only with the tag; linked statically it starts a little sooner.
RUNC := github.com/opencontainers/runc
TOOLS := bin/.tools
.PHONY: tools
tools: $(TOOLS) ## containerd, its shim, runc and the CNI plugins alone
$(TOOLS): tools/go.mod tools/go.sum tools/need.sh tools/install.sh
	@mkdir -p bin
	tools/need.sh
	CGO_ENABLED=0 go -C tools build -tags no_tracing,no_btrfs,no_devmapper,no_zfs -ldflags '-s -w' -o ../bin/ $$(go -C tools list tool | grep -v '^$(RUNC)$$')
	CGO_ENABLED=1 go -C tools build -tags seccomp,netgo,osusergo -ldflags '-s -w -extldflags -static' -o ../bin/ $(RUNC)
	@touch $@

.PHONY: run
run: build ## examples/busybox.yaml on a cluster of its own, to its end
	go run ./examples/image -unless-reachable bin/busybox.tar
	bin/podling run $$(test ! -e bin/busybox.tar || echo --image bin/busybox.tar) examples/busybox.yaml

.PHONY: test
test: build vet staticcheck ## vet, staticcheck, unit tests, and the conformance list on a real containerd
	tools/need.sh dbus-daemon curl
	CGO_ENABLED=1 go test -vet=off -race -timeout 10m $$(go list ./... | grep -vE '$(UNRACED)')
	go test -vet=off -timeout 10m $$(go list ./... | grep -E '$(UNRACED)' | grep -v /conformance$$)
	go test -vet=off -timeout 25m ./conformance

.PHONY: conformance
conformance: build ## all conformance scenarios, and the score
	go run ./conformance/cmd/podling-conformance

.PHONY: faults
faults: build ## podling, containerd, shims, the API server killed at each step of a pod's life, and the table (root, an hour; FAULTS='-times 1 -faults podling')
	go run ./conformance/cmd/podling-faults $(FAULTS)

.PHONY: e2e
e2e: build ## upstream's own e2e specs of the node on podling, and the score (docs/e2e.md)
	tools/need.sh curl
	go run ./conformance/cmd/podling-e2e

.PHONY: test-ui
test-ui: podling ## the page that podling ui shows, in Chromium
	web/uitest/need.sh
	npm --prefix web/uitest ci --no-audit --no-fund --loglevel=error
	npm --prefix web/uitest test

.PHONY: bench
bench: build ## the figures in the README
	go run ./bench

.PHONY: bench-scale
bench-scale: podling ## simulated pods, by the thousand
	go run ./bench -scale

.PHONY: bench-soak
bench-soak: build ## a node full of pods for half an hour: does what podling takes stay the same?
	go run ./bench -soak 30m

.PHONY: vet
vet:
	go vet ./...
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "gofmt needed: $$unformatted" >&2; exit 1; }

.PHONY: staticcheck
staticcheck:
	go -C lint build -o ../bin/ tool
	staticcheck ./...

.PHONY: lint
lint: vet staticcheck ## vet, staticcheck and golangci-lint
	go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI) run

.PHONY: vuln
vuln: ## known vulnerabilities in what podling calls, and in the programs it starts
	go build -o bin/.vuln/ ./cmd/podling # with its symbols: they say what is called
	CGO_ENABLED=0 go -C tools build -tags no_tracing,no_btrfs,no_devmapper,no_zfs -o ../bin/.vuln/ $$(go -C tools list tool | grep -v '^$(RUNC)$$')
	CGO_ENABLED=1 go -C tools build -tags seccomp,netgo,osusergo -o ../bin/.vuln/ $(RUNC)
	lint/vuln.sh $(GOVULNCHECK) docs/security.md bin/.vuln/*

.PHONY: clean
clean: ## remove what was built
	rm -rf bin
