package podlingtest

// Kill ends the cluster's podling as the kernel would that is out of memory.
func Kill(c *Cluster) {
	if err := c.env.process.cmd.Process.Kill(); err != nil {
		c.t.Error(err)
	}
	<-c.env.process.done
}
