/* The client's life, from its options to its exit status. */
int main(void)
{
	return 0;
}
