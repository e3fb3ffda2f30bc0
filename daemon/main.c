/* The life of the process, from its options to its exit status. */
int main(void)
{
	return 0;
}
