package main

import (
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
)

// etcdCommand runs one etcd member. It never waits for the disk: a test bed that loses power starts anew.
func etcdCommand() *cobra.Command {
	var directory, clientURL, peerURL string
	command := &cobra.Command{
		Use: "etcd",
		RunE: func(*cobra.Command, []string) error {
			config, err := etcdConfig(directory, clientURL, peerURL)
			if err != nil {
				return err
			}
			return serveEtcd(config)
		},
	}
	command.Flags().StringVar(&directory, "data-dir", "", "folder of the store")
	command.Flags().StringVar(&clientURL, "listen-client-urls", "http://127.0.0.1:2379", "address of clients")
	command.Flags().StringVar(&peerURL, "listen-peer-urls", "http://127.0.0.1:2380", "address of peers; none are expected")
	return command
}

func etcdConfig(directory, clientURL, peerURL string) (*embed.Config, error) {
	client, err := url.Parse(clientURL)
	if err != nil {
		return nil, err
	}
	peer, err := url.Parse(peerURL)
	if err != nil {
		return nil, err
	}
	config := embed.NewConfig()
	config.Dir = directory
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{*client}, []url.URL{*client}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{*peer}, []url.URL{*peer}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.UnsafeNoFsync = true
	config.LogLevel = "warn"
	return config, nil
}

func serveEtcd(config *embed.Config) error {
	server, err := embed.StartEtcd(config)
	if err != nil {
		return err
	}
	defer server.Close()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	select {
	case <-stop:
		return nil
	case err := <-server.Err():
		return err
	}
}
