// Argo does to a namespace what Argo CD does, with the engine that it does it by: one word of sync, diff and tree,
// and the manifests on standard input. The answer is JSON.
//
//	argo sync NAMESPACE        applies what is given, deletes what is there of the application but not given
//	argo sync-server NAMESPACE the same, with the sync option ServerSideApply=true
//	argo diff NAMESPACE        what each way of comparing calls modified: {"WeakToStrongJob/indemnity": ["server-side"]}
//	argo tree NAMESPACE        what is shown below each object: {"WeakToStrongJob/indemnity": ["Job/…", "Pod/…"]}
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/cache"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/engine"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/kube"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/tracing"
	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

const (
	application = "jobs"
	tracking    = "argocd.argoproj.io/tracking-id"
	manager     = "argocd-controller"
)

func main() {
	klog.SetLogger(logr.Discard())
	found, err := do(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		panic(err)
	}
}

func do(what, namespace string) (any, error) {
	given, err := io.ReadAll(os.Stdin)
	if err != nil {
		return nil, err
	}
	targets, err := kube.SplitYAML(bytes.TrimSpace(given))
	if err != nil {
		return nil, err
	}
	for _, target := range targets {
		target.SetNamespace(namespace)
		annotations := target.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[tracking] = trackingID(kube.GetResourceKey(target))
		target.SetAnnotations(annotations)
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	live := cache.NewClusterCache(config,
		cache.SetNamespaces([]string{namespace}),
		cache.SetLogr(logr.Discard()),
		cache.SetPopulateResourceInfoHandler(func(found *unstructured.Unstructured, _ bool) (any, bool) {
			id := found.GetAnnotations()[tracking]
			return id, id != ""
		}),
	)
	switch what {
	case "sync":
		return apply(config, live, targets, namespace, false)
	case "sync-server":
		return apply(config, live, targets, namespace, true)
	case "diff":
		return modified(config, live, targets)
	case "tree":
		return tree(live, targets)
	}
	return nil, fmt.Errorf("%q is none of sync, sync-server, diff and tree", what)
}

// An object is the application's own if it carries the id of itself: a copied annotation does not count.
func isManaged(found *cache.Resource) bool {
	return found.Info == trackingID(found.ResourceKey())
}

func trackingID(key kube.ResourceKey) string {
	return fmt.Sprintf("%s:%s/%s:%s/%s", application, key.Group, key.Kind, key.Namespace, key.Name)
}

func apply(config *rest.Config, live cache.ClusterCache, targets []*unstructured.Unstructured, namespace string, serverSide bool) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	argo := engine.NewEngine(config, live, engine.WithLogr(logr.Discard()))
	stop, err := argo.Run()
	if err != nil {
		return nil, err
	}
	defer stop()
	results, err := argo.Sync(ctx, targets, isManaged, "HEAD", namespace, sync.WithPrune(true),
		sync.WithServerSideApply(serverSide), sync.WithServerSideApplyManager(manager), sync.WithLogr(logr.Discard()))
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, one := range results {
		found[subject(one.ResourceKey)] = fmt.Sprintf("%s: %s", one.Status, one.Message)
	}
	return found, nil
}

// The three ways of comparing that Argo CD has; the first is what it does unless told otherwise.
func modified(config *rest.Config, live cache.ClusterCache, targets []*unstructured.Unstructured) (map[string][]string, error) {
	if err := live.EnsureSynced(); err != nil {
		return nil, err
	}
	found, err := live.GetManagedLiveObjs(targets, isManaged)
	if err != nil {
		return nil, err
	}
	matched := sync.Reconcile(targets, found, targets[0].GetNamespace(), live)
	kubectl := &kube.KubectlCmd{Log: logr.Discard(), Tracer: tracing.NopTracer{}}
	applier, stop, err := kubectl.ManageServerSideDiffDryRuns(config)
	if err != nil {
		return nil, err
	}
	defer stop()
	common := []diff.Option{diff.WithLogr(logr.Discard()), diff.WithGVKParser(live.GetGVKParser()), diff.WithManager(manager)}
	ways := map[string][]diff.Option{
		"default":          nil,
		"structured merge": {diff.WithStructuredMergeDiff(true)},
		"server-side":      {diff.WithServerSideDiff(true), diff.WithServerSideDryRunner(diff.NewK8sServerSideDryRunner(applier))},
	}
	answer := map[string][]string{}
	for at, target := range matched.Target {
		key := kube.GetResourceKey(first(target, matched.Live[at]))
		answer[subject(key)] = []string{}
		for way, options := range ways {
			result, err := diff.Diff(target.DeepCopy(), matched.Live[at].DeepCopy(), append(options, common...)...)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", way, err)
			}
			if result.Modified {
				answer[subject(key)] = append(answer[subject(key)], way)
				fmt.Fprintf(os.Stderr, "%s: live:\n%s\npredicted:\n%s\n", way, result.NormalizedLive, result.PredictedLive)
			}
		}
	}
	return answer, nil
}

func first(one, other *unstructured.Unstructured) *unstructured.Unstructured {
	if one != nil {
		return one
	}
	return other
}

func tree(live cache.ClusterCache, targets []*unstructured.Unstructured) (map[string][]string, error) {
	if err := live.EnsureSynced(); err != nil {
		return nil, err
	}
	answer := map[string][]string{}
	for _, target := range targets {
		root := kube.GetResourceKey(target)
		below := []string{}
		live.IterateHierarchyV2([]kube.ResourceKey{root}, func(found *cache.Resource, _ map[kube.ResourceKey]*cache.Resource) bool {
			if found.ResourceKey() != root {
				below = append(below, subject(found.ResourceKey()))
			}
			return true
		})
		answer[subject(root)] = below
	}
	return answer, nil
}

func subject(key kube.ResourceKey) string {
	return key.Kind + "/" + key.Name
}
